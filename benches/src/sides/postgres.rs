//! A PostgreSQL server for the peer that works on a queue in it: in a folder for this run, heard by nobody else, with the
//! settings that it comes with.

use std::{
    cell::OnceCell,
    fs,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use super::{Peer, program::at, scratch};
use crate::measure::Sample;

/// Who runs it where this program runs as root: PostgreSQL refuses to.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// A queue in a server, which is started when it is asked first.
pub(crate) struct Queue {
    programs: Result<PathBuf, String>,
    peer: Result<PathBuf, String>,
    running: OnceCell<Result<(Peer, Server), String>>,
}

impl Queue {
    /// From the folder of PostgreSQL's programs and the program of the peer.
    pub(crate) fn new(programs: Result<PathBuf, String>, peer: Result<PathBuf, String>) -> Self {
        Self { programs, peer, running: OnceCell::new() }
    }

    /// Has `workers` workers take jobs and end them. CPU time is mostly the server's: it is not told.
    pub(crate) fn ask(&self, jobs: u32, workers: u32) -> Result<Sample, String> {
        let (peer, _) = self.running.get_or_init(|| self.start()).as_ref().map_err(Clone::clone)?;
        peer.ask("postgres", jobs, workers).map(|sample| Sample::of(sample.value))
    }

    fn start(&self) -> Result<(Peer, Server), String> {
        let (programs, peer) = (self.programs.clone()?, self.peer.clone()?);
        let server = Server::start(&programs)?;
        let mut command = Command::new(peer);
        command.env("BATCHMILL_BENCH_POSTGRES_SOCKET", server.socket.path());
        Ok((Peer::new(Ok(command)), server))
    }
}

/// Stopped and forgotten when it is dropped.
struct Server {
    programs: PathBuf,
    user: Option<(u32, u32)>,
    data: TempDir,
    /// Apart and in the folder for temporary files: the path of a socket must be short.
    socket: TempDir,
}

impl Server {
    fn start(programs: &Path) -> Result<Self, String> {
        let socket = tempfile::tempdir().map_err(|error| format!("no folder for temporary files: {error}"))?;
        let server = Self { programs: programs.to_owned(), user: user()?, data: scratch()?, socket };
        for folder in [&server.data, &server.socket] {
            let (user, group) = server.user.unzip();
            chown(folder.path(), user, group).map_err(at(folder.path()))?;
        }
        server.run("initdb", &["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale"])?;
        let log = server.socket.path().join("log");
        let options = format!("-c listen_addresses= -k {}", server.socket.path().display());
        server.run("pg_ctl", &["start", "--wait", "--log", &log.to_string_lossy(), "--options", &options])?;
        Ok(server)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<(), String> {
        let mut command = Command::new(self.programs.join(program));
        command.args(arguments).arg("--pgdata").arg(self.data.path()).current_dir(self.data.path());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        // Not piped: the server would hold the pipe open.
        let said = self.socket.path().join(program);
        let file = fs::File::create(&said).map_err(at(&said))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let status = command.status().map_err(|error| format!("{program}: {error}"))?;
        let why = || fs::read_to_string(&said).unwrap_or_default();
        if status.success() { Ok(()) } else { Err(format!("{program}: {status}: {}", why().trim())) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Whoever never started has nothing to stop.
        let _ = self.run("pg_ctl", &["stop", "--mode=fast", "--wait"]);
    }
}

/// Whose the server is, if it can not be whose this program is.
fn user() -> Result<Option<(u32, u32)>, String> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = USERS.iter().find_map(|name| user_of(&users, name));
    found
        .map(Some)
        .ok_or_else(|| format!("PostgreSQL does not run as root, and there is no user {}", USERS.join(" or ")))
}

/// The numbers of a user and its group.
fn user_of(users: &str, name: &str) -> Option<(u32, u32)> {
    let mut fields = users.lines().map(|line| line.split(':')).find(|fields| fields.clone().next() == Some(name))?;
    Some((fields.nth(2)?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let users =
            "root:x:0:0:root:/root:/bin/sh\npostgres2:x:7:7::/:\npostgres:x:101:104:PostgreSQL:/var:/bin/bash\n";
        assert_eq!(user_of(users, "postgres"), Some((101, 104)));
        assert_eq!(user_of(users, "nobody"), None);
    }

    #[test]
    fn what_is_missing_is_said() {
        let missing = |what: &str| Err(format!("{what} is missing"));
        assert_eq!(Queue::new(missing("a"), missing("b")).ask(1, 1).unwrap_err(), "a is missing");
        assert!(Queue::new(Ok("/no/such/folder".into()), Ok("true".into())).ask(1, 1).is_err());
    }
}
