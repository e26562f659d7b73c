//! A PostgreSQL of our own: made in a temporary folder, reached by a socket in it, ended with the test. The tests of the whole
//! program take this file too.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

/// PostgreSQL refuses to run as root: as nobody then.
const NOBODY: u32 = 65534;

pub(crate) struct Server {
    folder: TempDir,
    running: Option<Child>,
}

impl Server {
    /// A new server, or none where PostgreSQL is not installed: the test `what` then says that it was skipped.
    pub(crate) fn start(what: &str) -> Option<Self> {
        Self::start_with(what, &[])
    }

    /// The same with more arguments of initdb.
    pub(crate) fn start_with(what: &str, arguments: &[&str]) -> Option<Self> {
        let Some(initdb) = program("initdb") else {
            skipped(what, "initdb and postgres are not installed");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        if geteuid().is_root() {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let made = command(&initdb, folder.path())
            .args(["--pgdata", "data", "--username", "tester", "--auth", "trust", "--no-sync", "--encoding", "UTF8"])
            .args(["--no-locale"])
            .args(arguments)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut server = Self { folder, running: None };
        server.go_on();
        Some(server)
    }

    /// Starts it again, where it was, and waits until it answers.
    pub(crate) fn go_on(&mut self) {
        let mut child = command(&program("postgres").expect("it comes with initdb"), self.folder())
            .args(["-D", "data", "-c", "listen_addresses=", "-c", "fsync=off", "-c", "log_min_messages=error"])
            .args(["-c", "max_connections=40", "-c", "log_destination=stderr", "-c", "logging_collector=off", "-k"])
            .arg(self.folder())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("ready to accept connections") {
            line.clear();
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "the server ended before it was ready");
        }
        // What it says from here on nobody reads, and it must not wait for that.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        self.running = Some(child);
    }

    /// Ends it and all its connections.
    pub(crate) fn stop(&mut self) {
        let Some(mut child) = self.running.take() else { return };
        let pid = Pid::from_child(&child);
        // A fast shutdown.
        kill_process(pid, Signal::INT).unwrap();
        child.wait().unwrap();
    }

    /// Its folder: a place for files that it or its users need.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A connection string for a database.
    pub(crate) fn url(&self, user: &str, database: &str) -> String {
        format!("host={} user={user} dbname={database}", self.folder().display())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env("LC_ALL", "C").stdin(Stdio::null());
    if geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// From the search path, or where Debian keeps it: the newest version.
fn program(name: &str) -> Option<PathBuf> {
    let searched = env::var_os("PATH").into_iter().flat_map(|path| env::split_paths(&path).collect::<Vec<_>>());
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path());
    let mut versions: Vec<PathBuf> = versions.collect();
    versions.sort_by_key(|path| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok()));
    let kept = versions.into_iter().rev().map(|version| version.join("bin"));
    searched.chain(kept).map(|folder| folder.join(name)).find(|program| program.is_file())
}

fn skipped(what: &str, reason: &str) {
    eprintln!("skipped: {reason}");
    if let Some(path) = env::var_os("BATCHMILL_SKIPS") {
        let mut skips = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        writeln!(skips, "{what}: {reason}").unwrap();
    }
}
