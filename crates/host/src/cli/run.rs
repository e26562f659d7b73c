//! `batchmill run FLOW [JOBS]`.

use std::{path::PathBuf, time::Duration};

use batchmill_core::{Priority, Tenant, parse_duration};
use batchmill_plugin::ByteSize;
use clap::{ArgMatches, Args, ValueEnum, ValueHint, builder::FalseyValueParser};

use super::{ConfigArgs, Global, PolicyArgs};
use crate::{
    exit::Exit,
    intake::{Defaults, Jobs, Rules},
    run,
};

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The flow: YAML, JSON is accepted
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) flow: PathBuf,

    /// The jobs: FILE.jsonl, or `-` for stdin [default: stdin, unless it is a terminal]
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) jobs: Option<PathBuf>,

    /// Results, JSON Lines [default: stdout when it is no terminal, else STATE/batches/BATCH/results.jsonl]
    #[arg(long, value_name = "FILE", env = "BATCHMILL_OUTPUT", hide_env = true, value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,

    /// Replace an existing output file
    #[arg(long, env = "BATCHMILL_OVERWRITE", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(crate) overwrite: bool,

    /// The folder for results that have no other place
    #[arg(
        long,
        value_name = "DIR",
        env = "BATCHMILL_STATE",
        hide_env = true,
        default_value = ".batchmill",
        value_hint = ValueHint::DirPath
    )]
    pub(crate) state: PathBuf,

    /// How progress is shown on stderr
    #[arg(long, value_name = "HOW", env = "BATCHMILL_PROGRESS", hide_env = true, default_value = "auto")]
    pub(crate) progress: ProgressStyle,

    /// Write a summary of the batch as JSON
    #[arg(long, value_name = "FILE", env = "BATCHMILL_REPORT", hide_env = true, value_hint = ValueHint::FilePath)]
    pub(crate) report: Option<PathBuf>,

    /// The longest time the batch may take: then running jobs end `timed_out`, waiting ones `skipped`
    #[arg(long, value_name = "DURATION", env = "BATCHMILL_DEADLINE", hide_env = true, value_parser = deadline)]
    pub(crate) deadline: Option<Duration>,

    /// What the exit code tells
    #[arg(long, value_name = "FORM", env = "BATCHMILL_EXIT_CODE", hide_env = true, default_value = "standard")]
    pub(crate) exit_code: ExitCode,

    #[command(flatten)]
    pub(crate) intake: IntakeArgs,

    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
}

/// Where jobs come from, and how their lines are read.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Jobs")]
pub(crate) struct IntakeArgs {
    /// The priority of jobs that do not say one; larger is sooner
    #[arg(long, value_name = "0..255", env = "BATCHMILL_PRIORITY", hide_env = true, default_value_t = 0)]
    pub(crate) priority: u8,

    /// The tenant of jobs that do not say one
    #[arg(
        long,
        value_name = "NAME",
        env = "BATCHMILL_TENANT",
        hide_env = true,
        default_value = Tenant::DEFAULT,
        value_parser = |name: &str| Tenant::new(name)
    )]
    pub(crate) tenant: Tenant,

    /// Take every line as an input, whatever its names
    #[arg(long, env = "BATCHMILL_INPUT_IS_LINE", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(crate) input_is_line: bool,

    /// What happens when a job line is bad: `fail` refuses all before anything runs
    #[arg(long, value_name = "ACTION", env = "BATCHMILL_ON_BAD_LINE", hide_env = true, default_value = "fail")]
    on_bad_line: OnBadLine,

    /// The longest job line
    #[arg(
        long,
        value_name = "SIZE",
        env = "BATCHMILL_MAX_LINE",
        hide_env = true,
        default_value = "1MiB",
        value_parser = max_line
    )]
    pub(crate) max_line: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnBadLine {
    Fail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressStyle {
    /// A bar on a terminal, plain lines elsewhere
    Auto,
    /// A bar with rate, time left, running, failed, retries
    Bar,
    /// A line every 10 seconds
    Plain,
    /// A JSON object every second
    Json,
    /// Nothing
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExitCode {
    /// What became of the batch: see the reference
    Standard,
    /// How many jobs failed, as GNU parallel; 101 for more than 100
    Count,
}

impl RunArgs {
    /// Where the jobs come from; `None` where nobody said it and stdin is a person.
    pub(crate) fn jobs(&self, stdin_is_terminal: bool) -> Option<Jobs> {
        match &self.jobs {
            Some(path) => Some(Jobs::of(path)),
            None if stdin_is_terminal => None,
            None => Some(Jobs::Stdin),
        }
    }
}

impl IntakeArgs {
    /// How lines are read.
    pub(crate) fn rules(&self) -> Rules {
        // The only action there is; a second one will not compile without an answer here.
        let OnBadLine::Fail = self.on_bad_line;
        let defaults = Defaults { priority: Priority(self.priority), tenant: self.tenant.clone() };
        Rules { max_line: self.max_line, input_is_line: self.input_is_line, defaults }
    }
}

fn deadline(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text).map_err(|error| error.to_string())?;
    if duration.is_zero() { Err("must be longer than 0s".to_owned()) } else { Ok(duration) }
}

/// Positions in a line are kept in 32 bits; nobody's line comes near.
const LARGEST_LINE: u64 = 1 << 30;

fn max_line(text: &str) -> Result<usize, String> {
    let size = text.parse::<ByteSize>().map_err(|error| error.to_string())?;
    match size.0 {
        0 => Err("must be at least one byte".to_owned()),
        bytes @ 1..=LARGEST_LINE => usize::try_from(bytes).map_err(|error| error.to_string()),
        _ => Err("at most 1GiB".to_owned()),
    }
}

pub(super) fn execute(args: RunArgs, global: &Global, matches: &ArgMatches) -> Exit {
    let flags = args.policy.flags(matches);
    run::run(args, global, flags)
}
