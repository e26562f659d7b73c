//! A folder to run the binary in, and what came out of it.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// No wait takes this long unless something is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// An empty folder. The program sees it as its working directory and as its home, and no config of this machine.
pub(crate) struct Stage {
    folder: TempDir,
}

/// What a program that has ended left.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder for the test") }
    }

    /// A stage with a flow `flow.yaml` whose nodes are `nodes`, and jobs `jobs.jsonl`, one a line.
    pub(crate) fn with<L: AsRef<str>>(nodes: &str, jobs: impl IntoIterator<Item = L>) -> Self {
        let stage = Self::new();
        stage.write("flow.yaml", format!("version: 1\nname: test\nnodes:\n{nodes}"));
        stage.write("jobs.jsonl", jobs.into_iter().map(|line| format!("{}\n", line.as_ref())).collect::<String>());
        stage
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("a file of the test");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn read_bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Names in the folder that begin with `prefix`.
    pub(crate) fn count(&self, prefix: &str) -> usize {
        let entries = fs::read_dir(self.folder.path()).expect("the folder of the test");
        entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix)).count()
    }

    /// The program with `args`, nothing on stdin.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.prepared(env!("CARGO_BIN_EXE_batchmill"), args)
    }

    /// A shell that runs `script` under the same conditions.
    pub(crate) fn shell(&self, script: &str) -> Command {
        self.prepared("sh", &["-c", script])
    }

    /// Any program under the same conditions.
    pub(crate) fn prepared(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        // Except for the promise that the tests are to see broken.
        let is_ours = |name: &str| name.starts_with("BATCHMILL_") && name != "BATCHMILL_SABOTAGE";
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_ours(&name.to_string_lossy())) {
            command.env_remove(name);
        }
        command.env("HOME", self.folder.path()).env_remove("XDG_CONFIG_HOME");
        command
    }

    /// Runs `batchmill ARGS` to its end.
    pub(crate) fn batchmill(&self, args: &[&str]) -> Done {
        done(self.command(args).spawn().expect("the binary starts"))
    }

    /// Runs `batchmill run flow.yaml jobs.jsonl ARGS` to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Done {
        self.batchmill(&[&["run", "flow.yaml", "jobs.jsonl"], args].concat())
    }

    /// Runs `batchmill run flow.yaml ARGS` with `stdin`.
    pub(crate) fn run_with_stdin(&self, args: &[&str], stdin: &str) -> Done {
        let mut command = self.command(&[&["run", "flow.yaml"], args].concat());
        let mut child = command.stdin(Stdio::piped()).spawn().expect("the binary starts");
        child.stdin.take().expect("stdin is piped").write_all(stdin.as_bytes()).expect("the program reads stdin");
        done(child)
    }

    /// Starts `batchmill run flow.yaml jobs.jsonl ARGS` with stderr in a file, to be watched.
    pub(crate) fn start(&self, args: &[&str]) -> Running<'_> {
        self.watch(self.command(&[&["run", "flow.yaml", "jobs.jsonl"], args].concat()))
    }

    /// Starts a program with stderr in a file, to be watched.
    pub(crate) fn watch(&self, mut command: Command) -> Running<'_> {
        let stderr = File::create(self.path("stderr")).expect("a file of the test");
        let child = command.stderr(stderr).spawn().expect("the program starts");
        Running { child, stage: self }
    }

    /// Makes a pipe with a name, `gate`, for jobs to wait at.
    pub(crate) fn make_gate(&self) {
        let made = Command::new("mkfifo").arg(self.path("gate")).status().expect("mkfifo runs");
        assert!(made.success());
    }

    /// Lets so many jobs through the gate, one line each, also those that come later. The gate must be kept: what nobody
    /// has read yet goes with its last handle.
    pub(crate) fn open_gate(&self, jobs: usize) -> File {
        let gate = OpenOptions::new().read(true).write(true).open(self.path("gate"));
        let mut gate = gate.expect("the gate was made");
        gate.write_all("go\n".repeat(jobs).as_bytes()).expect("a pipe has room for some lines");
        gate
    }
}

fn done(child: Child) -> Done {
    let output = child.wait_with_output().expect("the program ends");
    let text = |bytes| String::from_utf8(bytes).expect("the program writes UTF-8");
    Done { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A run under way. Killed when dropped.
pub(crate) struct Running<'a> {
    child: Child,
    stage: &'a Stage,
}

impl Running<'_> {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its short name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Waits until stderr has `text`.
    pub(crate) fn wait_for(&self, text: &str) {
        wait_until(&format!("stderr with `{text}`"), || self.stage.read("stderr").contains(text));
    }

    /// The first line of its stdout, which is closed then.
    pub(crate) fn first_line_then_close(&mut self) -> String {
        let stdout: ChildStdout = self.child.stdout.take().expect("stdout is piped");
        let mut line = String::new();
        BufReader::with_capacity(1, stdout).read_line(&mut line).expect("a line");
        line
    }

    /// Waits for its end, within bounds.
    pub(crate) fn end(mut self) -> Done {
        // Beside it: results may be more than a pipe holds.
        let reading = self.child.stdout.take().map(|stdout| std::thread::spawn(|| std::io::read_to_string(stdout)));
        wait_until("the end of the program", || self.child.try_wait().expect("a child of ours").is_some());
        let code = self.child.wait().expect("it has ended").code();
        let stdout = reading.map(|reading| reading.join().expect("it reads").expect("UTF-8"));
        Done { code, stdout: stdout.unwrap_or_default(), stderr: self.stage.read("stderr") }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // A test that failed half way leaves nothing behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks again and again until `condition` holds; fails the test if it never does.
pub(crate) fn wait_until(what: &str, condition: impl FnMut() -> bool) {
    let started = Instant::now();
    let mut condition = condition;
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Whether a process with this id lives. A zombie does not: nobody but its parent can see it.
pub(crate) fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.trim()).join("stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

impl Done {
    /// The result records on stdout.
    pub(crate) fn results(&self) -> Vec<Value> {
        records(&self.stdout)
    }

    /// Fails the test unless the program ended with `code`.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stderr:\n{}", self.stderr);
        self
    }

    /// Fails the test unless stderr has `text`.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no `{text}` in stderr:\n{}", self.stderr);
        self
    }
}

/// Result records, one a line.
pub(crate) fn records(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// One text field of each record.
pub(crate) fn field<'a>(records: &'a [Value], name: &str) -> Vec<&'a str> {
    records.iter().map(|record| record[name].as_str().unwrap_or_default()).collect()
}

/// Says that a test needs something that is not here, in the form that `cargo xtask test` gathers.
pub(crate) fn skipped(name: &str, why: &str) {
    eprintln!("skipped: {why}");
    if let Some(path) = std::env::var_os("BATCHMILL_SKIPS") {
        let mut skips = OpenOptions::new().create(true).append(true).open(path).expect("the file of skips");
        writeln!(skips, "{name}: {why}").expect("a line in the file of skips");
    }
}
