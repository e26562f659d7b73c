//! The environment of a process: a few variables of the host, those of the job, those that the node declares.

mod secret;
mod value;

use std::{
    collections::{BTreeMap, HashSet},
    ffi::{CString, OsStr, OsString},
    sync::Arc,
};

use batchmill_core::{BuildContext, BuildError, NodeContext, NodeError, Problem, StateData};
use batchmill_flow::expr::{Template, Vars};

use crate::{spawn::environment_entry, text};
pub(crate) use secret::{Redactions, Secret};
pub(crate) use value::EnvValue;

/// What a process gets of the host's environment.
const INHERITED: [&str; 5] = ["PATH", "HOME", "LANG", "TZ", "TMPDIR"];

/// What we set for every process. `BATCHMILL_RUN` marks what this host has started, so that it can be found later.
const OF_THE_JOB: [&str; 6] = [
    "BATCHMILL_JOB_ID",
    "BATCHMILL_ATTEMPT",
    "BATCHMILL_IDEMPOTENCY_KEY",
    "BATCHMILL_BATCH",
    "BATCHMILL_NODE",
    "BATCHMILL_RUN",
];

/// What we set for some: the memory that is set aside for the attempt, in bytes.
const MEMORY: &str = "BATCHMILL_MEMORY";

/// The environment of a node's processes, as far as it is known before they run.
#[derive(Debug)]
pub(crate) struct Environment {
    shared: Shared,
    templates: Vec<(String, Template)>,
    redactions: Redactions,
}

/// Entries that every process of the node gets. Not shown: secrets are among them.
struct Shared(Arc<[CString]>);

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} variables", self.0.len())
    }
}

/// Finds what is wrong with the `env` of a node, without a look at the host.
pub(crate) fn check(declared: &BTreeMap<String, EnvValue>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, value) in declared {
        if let Some(message) = bad_name(name) {
            problems.push(Problem::new(["env", name], message));
        }
        if let EnvValue::Text(text) = value
            && let Err(found) = text::compile(text)
        {
            problems.extend(found.into_iter().map(|problem| problem.below(name).below("env")));
        }
    }
    problems
}

fn bad_name(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("an environment variable has a name".into());
    }
    if name.contains(['=', '\0']) {
        return Some("the name of an environment variable has no `=` and no zero byte".into());
    }
    is_ours(name).then(|| format!("`{name}` is set by batchmill; choose another name"))
}

fn is_ours(name: &str) -> bool {
    name == MEMORY || OF_THE_JOB.contains(&name)
}

impl Environment {
    /// Reads the host's variables and the secrets. `declared` has passed [`check`].
    pub(crate) fn build(
        declared: &BTreeMap<String, EnvValue>,
        inherit_all: bool,
        context: &BuildContext,
    ) -> Result<Self, BuildError> {
        let mut fixed: BTreeMap<OsString, CString> = host_variables(inherit_all);
        let (mut templates, mut redactions) = (Vec::new(), Redactions::default());
        let (mut wrong, mut missing) = (Vec::new(), Vec::new());
        for (name, value) in declared {
            fixed.remove(OsStr::new(name));
            match value {
                EnvValue::Text(text) => match text::compile(text) {
                    Ok(template) => templates.push((name.clone(), template)),
                    Err(found) => wrong.extend(found.into_iter().map(|problem| problem.below(name).below("env"))),
                },
                EnvValue::Secret(secret) => match secret.read(context) {
                    Ok(value) => {
                        redactions.add(&value);
                        fixed.extend(environment_entry(OsStr::new(name), &value).map(|e| (name.into(), e)));
                    }
                    Err(reason) => missing.push(format!("env.{name}: {reason}")),
                },
            }
        }
        if !wrong.is_empty() {
            return Err(BuildError::Options(wrong));
        }
        if !missing.is_empty() {
            return Err(BuildError::environment(missing.join("; ")));
        }
        Ok(Self { shared: Shared(fixed.into_values().collect()), templates, redactions })
    }

    /// The entries that are the same for every process of the node.
    pub(crate) fn shared(&self) -> Arc<[CString]> {
        self.shared.0.clone()
    }

    /// The entries of one process.
    pub(crate) fn of_process(
        &self,
        state: &StateData,
        context: NodeContext<'_>,
        vars: &Vars<'_>,
    ) -> Result<Vec<CString>, NodeError> {
        let job = context.job;
        let of_the_job = [
            job.id.as_str().into(),
            job.attempt.to_string().into(),
            job.idempotency_key(),
            job.batch.as_str().into(),
            context.node.into(),
            run_marker().into(),
        ];
        let mut entries = Vec::with_capacity(OF_THE_JOB.len() + self.templates.len());
        for (name, value) in OF_THE_JOB.into_iter().zip(of_the_job) {
            entries.push(entry(name, &value)?);
        }
        if let Some(memory) = job.memory {
            entries.push(entry(MEMORY, &memory.to_string())?);
        }
        for (name, template) in &self.templates {
            entries.push(entry(name, &template.render(state, vars)?)?);
        }
        Ok(entries)
    }

    /// What must not be shown in a message.
    pub(crate) fn redactions(&self) -> &Redactions {
        &self.redactions
    }
}

fn entry(name: &str, value: &str) -> Result<CString, NodeError> {
    environment_entry(OsStr::new(name), OsStr::new(value)).ok_or_else(|| {
        let message =
            format!("the value of the environment variable `{name}` has a zero byte, which no process can get");
        NodeError::permanent("bad_argument", message)
    })
}

/// The host's variables by name. Those of the job are never among them.
fn host_variables(all: bool) -> BTreeMap<OsString, CString> {
    let ours: HashSet<&OsStr> = OF_THE_JOB.into_iter().chain([MEMORY]).map(OsStr::new).collect();
    std::env::vars_os()
        .filter(|(name, _)| all || INHERITED.into_iter().any(|inherited| inherited == name))
        .filter(|(name, _)| !ours.contains(&**name))
        .filter_map(|(name, value)| environment_entry(&name, &value).map(|entry| (name, entry)))
        .collect()
}

/// The value of `BATCHMILL_RUN` in every process that this host starts: no other host has it, and no later one.
pub fn run_marker() -> &'static str {
    use std::{sync::OnceLock, time::SystemTime};
    static MARKER: OnceLock<String> = OnceLock::new();
    MARKER.get_or_init(|| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        format!("{}-{:x}", std::process::id(), since.as_nanos())
    })
}
