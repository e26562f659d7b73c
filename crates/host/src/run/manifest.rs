//! What is remembered of the command that started a batch, so that a resume needs no human.

use std::path::PathBuf;

use batchmill_config::Flag;
use batchmill_core::WallTime;
use batchmill_plugin::ByteSize;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Order, Shown, guard::Guard, os_text::OsText, output};
use crate::{
    cli::{BatchArgs, ConfigArgs, ExitCode, IntakeArgs, PolicyArgs, Terms},
    intake::{Fingerprint, Jobs, JsonLines, LeftOut, OnBadLine},
    problems::Refusal,
    work::{Command, Work},
};

/// The form of this record. Fields are added with a default.
const FORM: u32 = 1;

/// What the store keeps for the host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    form: u32,
    /// What a person called the batch.
    name: Option<String>,
    /// The working directory of the first run, and of every process of the batch.
    directory: OsText,
    work: Ordered,
    /// As typed.
    jobs: OsText,
    raw: bool,
    pub(super) intake: IntakeArgs,
    config: Option<OsText>,
    set: Vec<String>,
    flags: Vec<Said>,
    output: Option<OsText>,
    exit_code: Option<ExitCode>,
    pub(super) deadline: Option<WallTime>,
    /// Files that this batch wrote its results to.
    #[serde(default)]
    outputs: Vec<OsText>,
    pub(super) guard: Guard,
    /// The source of the jobs as a whole, where it is a file.
    pub(super) source: Option<Fingerprint>,
    /// Names the jobs as a whole.
    pub(super) content: String,
    bad_lines: LeftOutBefore,
    /// What was accepted though it differs from the beginning: a moment and one sentence each.
    #[serde(default)]
    pub(super) changes: Vec<(WallTime, String)>,
}

/// What is done with each job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ordered {
    Flow(OsText),
    Command { argv: Vec<String>, output_limit: u64 },
}

/// A flag that stands for a key of the config.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Said {
    name: String,
    key: String,
    value: Value,
}

/// Lines that are no job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct LeftOutBefore {
    action: OnBadLine,
    lines: u64,
    quarantine: Option<OsText>,
}

/// What a manifest is made of.
pub(super) struct Facts<'a> {
    pub(super) work: &'a Work,
    pub(super) jobs: &'a Jobs,
    pub(super) args: &'a BatchArgs,
    pub(super) flags: &'a [Flag],
    pub(super) shown: Shown,
    pub(super) guard: Guard,
    pub(super) accepted: &'a JsonLines,
    pub(super) quarantine: Option<&'a PathBuf>,
}

impl Manifest {
    /// That of a batch which starts here and now.
    pub(super) fn new(facts: Facts<'_>, directory: &std::path::Path, now: WallTime) -> Self {
        let Facts { work, jobs, args, flags, shown, guard, accepted, quarantine } = facts;
        let work = match work {
            Work::Flow(path) => Ordered::Flow(path.into()),
            Work::Command(command) => {
                Ordered::Command { argv: command.argv().to_vec(), output_limit: command.output_limit().0 }
            }
        };
        let said = |(name, key, value): (&str, &str, &Value)| Said {
            name: name.to_owned(),
            key: key.to_owned(),
            value: value.clone(),
        };
        let (config, set) = args.config.named();
        let left_out = accepted.left_out();
        Self {
            form: FORM,
            name: args.batch.as_ref().map(ToString::to_string),
            directory: directory.into(),
            work,
            jobs: jobs.argument().as_path().into(),
            raw: shown == Shown::Raw,
            intake: args.intake.clone(),
            config: config.map(OsText::from),
            set: set.to_vec(),
            flags: flags.iter().filter_map(Flag::parts).map(said).collect(),
            output: args.terms.output.as_ref().map(OsText::from),
            exit_code: args.terms.exit_code,
            deadline: args.terms.deadline.map(|limit| now + limit),
            outputs: output::absolute(args).iter().map(OsText::from).collect(),
            guard,
            source: accepted.fingerprint().cloned(),
            content: accepted.content(),
            bad_lines: LeftOutBefore {
                action: left_out.action,
                lines: left_out.lines,
                quarantine: quarantine.map(OsText::from),
            },
            changes: Vec::new(),
        }
    }

    /// This one, of a batch that `earlier` is the manifest of: what was said once and not again still holds.
    pub(super) fn after(mut self, earlier: &Self) -> Self {
        self.name.clone_from(&earlier.name);
        self.deadline = self.deadline.or(earlier.deadline);
        self.source = self.source.or_else(|| earlier.source.clone());
        let older = earlier.outputs.iter().filter(|path| !self.outputs.contains(path)).cloned();
        self.outputs = older.chain(self.outputs.iter().cloned()).collect();
        self.changes.clone_from(&earlier.changes);
        self
    }

    /// Where it runs.
    /// Where its jobs came from.
    pub(super) fn jobs(&self) -> Jobs {
        Jobs::of(&self.jobs.path())
    }

    pub(super) fn directory(&self) -> PathBuf {
        self.directory.path()
    }

    /// What a person called the batch.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(super) fn read(value: Value) -> Result<Self, Refusal> {
        let form = value.get("form").and_then(Value::as_u64);
        if form.is_some_and(|form| form > u64::from(FORM)) {
            return Err(Refusal::data("the batch was started by a newer Batchmill; use that one"));
        }
        serde_json::from_value(value).map_err(|error| {
            Refusal::data(format!("what is remembered of the batch is damaged: {error}; --fresh starts anew"))
        })
    }

    pub(super) fn to_json(&self) -> Value {
        serde_json::to_value(self).expect("texts and numbers are JSON")
    }

    /// The files that belong to the batch.
    pub(super) fn outputs(&self) -> Vec<PathBuf> {
        self.outputs.iter().map(OsText::path).collect()
    }

    /// What was left out of the batch when it was accepted.
    pub(super) fn left_out(&self) -> LeftOut {
        LeftOut::before(self.bad_lines.action, self.bad_lines.lines)
    }

    /// Where bad lines were kept.
    pub(super) fn quarantine(&self) -> Option<PathBuf> {
        self.bad_lines.quarantine.as_ref().map(OsText::path)
    }

    /// The command again, with what is said now over it.
    pub(super) fn order(&self, terms: Terms, config: ConfigArgs, policy: PolicyArgs, flags: Vec<Flag>) -> Order {
        let work = match &self.work {
            Ordered::Flow(path) => Work::Flow(path.path()),
            Ordered::Command { argv, output_limit } => {
                Work::Command(Command::again(argv.clone(), ByteSize(*output_limit)))
            }
        };
        let mut all: Vec<Flag> =
            self.flags.iter().map(|said| Flag::new(&said.name, &said.key, said.value.clone())).collect();
        all.extend(flags);
        let mut terms = terms;
        terms.output = terms.output.or_else(|| self.output.as_ref().map(OsText::path));
        terms.exit_code = terms.exit_code.or(self.exit_code);
        let args = BatchArgs {
            batch: None,
            fresh: false,
            dry_run: false,
            terms,
            intake: self.intake.clone(),
            config: config.over(self.config.as_ref().map(OsText::path), self.set.clone()),
            policy,
        };
        let shown = if self.raw { Shown::Raw } else { Shown::Records };
        Order {
            work,
            jobs: Jobs::of(&self.jobs.path()),
            args,
            flags: all,
            shown,
            quiet: false,
            goes_on: None,
            again: None,
        }
    }
}
