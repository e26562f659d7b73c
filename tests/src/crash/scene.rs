//! A batch to be killed, and what its jobs do.

use std::{
    collections::BTreeSet,
    env, fs,
    fs::OpenOptions,
    io::{self, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    thread,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use super::arguments::Arguments;

/// What a job of a batch does; by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One process that succeeds.
    Plain,
    /// The same, and takes its time.
    Slow,
    /// Two nodes, one after the other, with a checkpoint between.
    Two,
    /// Fails at its first attempt.
    Flaky,
    /// Fails for good.
    Bad,
}

impl Kind {
    pub(crate) fn of(number: u64) -> Self {
        match number {
            n if n % 50 == 7 => Self::Bad,
            n if n % 10 == 3 => Self::Flaky,
            n if n % 10 == 5 => Self::Two,
            n if n % 40 == 9 => Self::Slow,
            _ => Self::Plain,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Slow => "slow",
            Self::Two => "two",
            Self::Flaky => "flaky",
            Self::Bad => "bad",
        }
    }

    /// Its status, and the attempts that its result counts: the loss of a host is none.
    pub(crate) fn ends(self) -> (&'static str, u64) {
        match self {
            Self::Plain | Self::Slow | Self::Two => ("succeeded", 1),
            Self::Flaky => ("succeeded", 2),
            Self::Bad => ("failed", 1),
        }
    }
}

/// What jobs do that end by no kind of their own.
const WAITS: &str = "waits";
const DEAF: &str = "deaf";

/// Files beside the ledger that tell them what to do.
const RELEASED: &str = "released";
const IS_DEAF: &str = "is-deaf";

/// A folder with a flow, its jobs, and what came of them.
pub(crate) struct Scene {
    folder: TempDir,
    binary: PathBuf,
    pub(crate) jobs: u64,
}

impl Scene {
    /// Jobs that end by themselves.
    pub(crate) fn new(arguments: &Arguments) -> Result<Self, String> {
        Self::with(arguments, |number| Kind::of(number).as_str())
    }

    /// The same, but the first two jobs run until they are [released](Self::release), and the second one does not listen to
    /// SIGTERM while it is [deaf](Self::set_deaf).
    pub(crate) fn waiting(arguments: &Arguments) -> Result<Self, String> {
        Self::with(arguments, |number| match number {
            1 => WAITS,
            2 => DEAF,
            _ => Kind::of(number).as_str(),
        })
    }

    fn with(arguments: &Arguments, kind: impl Fn(u64) -> &'static str) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let program = env::current_exe().map_err(|error| error.to_string())?;
        let scene = Self { folder, binary: arguments.binary.clone(), jobs: arguments.jobs };
        scene.write("flow.yaml", &flow(&program, &scene.ledger()))?;
        let jobs = (1..=scene.jobs).map(|number| format!("{{\"kind\":\"{}\"}}\n", kind(number)));
        scene.write("jobs.jsonl", &jobs.collect::<String>())?;
        Ok(scene)
    }

    /// Jobs that wait may end.
    pub(crate) fn release(&self) -> Result<(), String> {
        self.write(RELEASED, "")
    }

    /// Whether the second job listens to SIGTERM when it starts the next time.
    pub(crate) fn set_deaf(&self, deaf: bool) -> Result<(), String> {
        match fs::remove_file(self.path(IS_DEAF)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(format!("{IS_DEAF}: {error}")),
            _ => {}
        }
        if deaf { self.write(IS_DEAF, "") } else { Ok(()) }
    }

    fn write(&self, name: &str, text: &str) -> Result<(), String> {
        fs::write(self.path(name), text).map_err(|error| format!("{name}: {error}"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.path("ledger")
    }

    /// What a host says.
    pub(crate) fn stderr(&self) -> PathBuf {
        self.path("stderr")
    }

    /// What was written while the batch ran.
    pub(crate) fn output(&self) -> Result<Vec<Value>, String> {
        let text = fs::read_to_string(self.path("results.jsonl")).map_err(|error| format!("results.jsonl: {error}"))?;
        lines("results.jsonl", &text)
    }

    /// The program in this folder.
    pub(crate) fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).current_dir(self.folder.path()).env("HOME", self.folder.path());
        command
    }

    /// The records of the store.
    pub(crate) fn stored(&self) -> Result<Vec<Value>, String> {
        let output = self.program(&["results", "last"]).output().map_err(|error| error.to_string())?;
        lines("batchmill results last", &String::from_utf8_lossy(&output.stdout))
    }

    /// Whether the end of the batch is recorded.
    pub(crate) fn is_finished(&self) -> Result<bool, String> {
        let output =
            self.program(&["status", "last", "--format", "json"]).output().map_err(|error| error.to_string())?;
        let status: Option<Value> = serde_json::from_slice(&output.stdout).ok();
        Ok(status.is_some_and(|status| status["standing"] == "finished"))
    }

    /// The jobs that have a record; none before the batch was accepted.
    pub(crate) fn recorded(&self) -> Result<BTreeSet<u64>, String> {
        if !self.path(".batchmill").exists() {
            return Ok(BTreeSet::new());
        }
        self.stored()?.iter().map(number).collect()
    }

    /// The folder stays.
    pub(crate) fn keep(self) -> PathBuf {
        self.folder.keep()
    }
}

/// The number of the job that a result is of.
pub(crate) fn number(result: &Value) -> Result<u64, String> {
    let id = result["job_id"].as_str().and_then(|id| id.parse().ok());
    id.ok_or_else(|| format!("a result of no job: {result}"))
}

fn lines(name: &str, text: &str) -> Result<Vec<Value>, String> {
    let parse = |line: &str| serde_json::from_str(line).map_err(|error| format!("{name}: {error}: {line}"));
    text.lines().map(parse).collect()
}

/// Two nodes at most. A checkpoint stands before the second one starts, so the first one has run for the last time then.
fn flow(program: &Path, ledger: &Path) -> String {
    let argv = |node: &str| {
        let words = [program.display().to_string(), "job".into(), ledger.display().to_string(), node.into()];
        serde_json::to_string(&words.to_vec()).unwrap_or_default().replace(']', ", \"${ .kind }\"]")
    };
    format!(
        "version: 1\nname: crash\ncheckpoint: step_sync\nnodes:\n  first:\n    run: {}\n    output: '{{}}'\n    \
         exit_codes: {{permanent: [65]}}\n    retry: {{max_attempts: 3, backoff: fixed, delay: 20ms, jitter: none}}\n    \
         next: [{{when: '.kind == \"two\"', to: second}}, {{to: END}}]\n  second:\n    run: {}\n    output: '{{}}'\n",
        argv("first"),
        argv("second"),
    )
}

/// What a process of the batch does: writes down that it started and that it ended, and ends as its kind wants it.
pub(crate) fn job(arguments: &[String]) -> Result<ExitCode, String> {
    let [path, node, kind] = arguments else { return Err("usage: job LEDGER NODE KIND".to_owned()) };
    let variable = |name: &str| env::var(name).map_err(|_| format!("{name} is not set"));
    let (job, attempt) = (variable("BATCHMILL_JOB_ID")?, variable("BATCHMILL_ATTEMPT")?);
    let key = variable("BATCHMILL_IDEMPOTENCY_KEY")?;
    let pid = std::process::id();
    let beside = |name: &str| Path::new(path).with_file_name(name);
    if kind == DEAF && beside(IS_DEAF).exists() {
        return Err(deaf(arguments));
    }
    let opened = OpenOptions::new().append(true).create(true).open(path);
    let mut ledger = opened.map_err(|error| format!("{path}: {error}"))?;
    // One call each: lines of processes that run at once do not mix.
    let mut write = |line: String| ledger.write_all(line.as_bytes()).map_err(|error| error.to_string());
    write(format!("start {pid} {node} {job} {attempt} {key}\n"))?;
    if kind == "slow" {
        // tidy: allow(sleeps): so that hosts die while it runs
        thread::sleep(Duration::from_millis(30));
    }
    while (kind == WAITS || kind == DEAF) && !beside(RELEASED).exists() {
        // tidy: allow(sleeps): it runs until somebody ends it
        thread::sleep(Duration::from_millis(5));
    }
    write(format!("end {pid} {node} {job} {attempt} {key}\n"))?;
    Ok(match (kind.as_str(), attempt.as_str()) {
        ("bad", _) => ExitCode::from(65),
        ("flaky", "1") => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

/// Becomes the same job, which ignores SIGTERM: what is ignored stays so over `exec`. Returns only what went wrong.
fn deaf(arguments: &[String]) -> String {
    let program = match env::current_exe() {
        Ok(program) => program,
        Err(error) => return error.to_string(),
    };
    let script = "trap '' TERM; exec \"$@\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh"]).arg(program).arg("job").args(&arguments[..2]).arg(WAITS);
    shell.exec().to_string()
}
