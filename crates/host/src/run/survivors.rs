//! Processes that outlived a host: ended before their jobs run again.
//!
//! Every process that a host starts has the host's marker in its environment, and so have its children. A batch's folder
//! says which hosts it had.

use std::{
    collections::HashSet,
    fs::{self, OpenOptions},
    io::{self, Write},
    os::fd::OwnedFd,
    path::Path,
    time::{Duration, Instant},
};

use batchmill_core::fault::{self, Sabotage};
use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal},
    time::Timespec,
};

/// The markers of the hosts that a batch had, one a line.
const HOSTS: &str = "hosts";

/// The variable that has the marker.
const MARKER: &[u8] = b"BATCHMILL_RUN=";

/// How long a process may take to end by itself.
const GRACE: Duration = Duration::from_secs(2);

/// How long the kernel may take to end one that is killed.
const KILLED_WITHIN: Duration = Duration::from_secs(2);

/// What was done about survivors.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ended {
    /// They ended when they were told.
    pub(super) told: usize,
    /// They were killed.
    pub(super) killed: usize,
    /// They are still there.
    pub(super) left: Vec<i32>,
}

/// Ends what earlier hosts of the batch in `folder` have left running.
pub(super) fn end(folder: &Path) -> io::Result<Ended> {
    let markers = match fs::read_to_string(folder.join(HOSTS)) {
        Ok(text) => text.lines().map(|line| line.as_bytes().to_vec()).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => HashSet::new(),
        Err(error) => return Err(error),
    };
    if markers.is_empty() || fault::breaks(Sabotage::KeepSurvivors) {
        Ok(Ended::default())
    } else {
        Ok(end_marked(&markers, GRACE))
    }
}

/// Remembers this host, before it starts a process.
pub(super) fn sign(folder: &Path, marker: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(folder.join(HOSTS))?;
    file.write_all(format!("{marker}\n").as_bytes())
}

fn end_marked(markers: &HashSet<Vec<u8>>, grace: Duration) -> Ended {
    let mut living = find(markers);
    let found = living.len();
    signal(&living, Signal::TERM);
    wait(&mut living, grace);
    let told = found - living.len();
    // What a process started while it was told to end is among them now.
    living.extend(
        find(markers).into_iter().filter(|new| !living.iter().any(|old| old.pid == new.pid)).collect::<Vec<_>>(),
    );
    let stubborn = living.len();
    signal(&living, Signal::KILL);
    wait(&mut living, KILLED_WITHIN);
    let left = living.iter().map(|process| process.pid.as_raw_nonzero().get()).collect();
    Ended { told, killed: stubborn - living.len(), left }
}

/// A process that cannot be mistaken for another that gets its number later.
struct Process {
    pid: Pid,
    handle: OwnedFd,
}

/// Living processes with one of the markers, this one and those above it aside.
fn find(markers: &HashSet<Vec<u8>>) -> Vec<Process> {
    let above = ancestors();
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()).filter_map(Pid::from_raw);
    let marked = |pid: Pid| {
        // The environments of other users are closed to us, and ours has nothing there.
        let environment = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).unwrap_or_default();
        let mut entries = environment.split(|byte| *byte == 0);
        entries.any(|entry| entry.strip_prefix(MARKER).is_some_and(|marker| markers.contains(marker)))
    };
    pids.filter(|pid| !above.contains(pid) && marked(*pid))
        .filter_map(|pid| {
            let handle = pidfd_open(pid, PidfdFlags::empty()).ok()?;
            // Looked at again: the number may have gone to another process before there was a handle.
            marked(pid).then_some(Process { pid, handle })
        })
        .collect()
}

/// This process and those above it: a job may have started the resume.
fn ancestors() -> HashSet<Pid> {
    let mut above = HashSet::new();
    let mut next = Some(getpid());
    while let Some(pid) = next.filter(|pid| above.insert(*pid)) {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
        // The name in brackets may have anything in it; state and parent follow.
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse::<i32>().ok());
        next = parent.and_then(Pid::from_raw);
    }
    above
}

fn signal(processes: &[Process], signal: Signal) {
    for process in processes {
        // One that has ended meanwhile needs none.
        let _ = pidfd_send_signal(&process.handle, signal);
    }
}

/// Waits until all have ended, and lets go of those that have.
fn wait(processes: &mut Vec<Process>, limit: Duration) {
    let started = Instant::now();
    while !processes.is_empty() {
        let left = limit.saturating_sub(started.elapsed());
        let timeout = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: i64::from(left.subsec_nanos()) };
        let mut handles: Vec<_> = processes.iter().map(|process| PollFd::new(&process.handle, PollFlags::IN)).collect();
        let ready = match poll(&mut handles, Some(&timeout)) {
            Ok(0) => return,
            Ok(_) => handles.iter().map(|handle| handle.revents().contains(PollFlags::IN)).collect::<Vec<_>>(),
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return,
        };
        drop(handles);
        let mut ready = ready.into_iter();
        processes.retain(|_| !ready.next().unwrap_or(false));
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn start(script: &str, marker: &str) -> std::process::Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]).env("BATCHMILL_RUN", marker).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It says so when its traps are set.
        let mut line = [0];
        io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
        child
    }

    #[test]
    fn what_a_host_left_is_told_to_end_and_killed_if_it_does_not() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(end(folder.path()).unwrap(), Ended::default(), "a batch without a host before");
        let marker = format!("test-{}", std::process::id());
        let other = format!("other-{}", std::process::id());
        sign(folder.path(), "some-other").unwrap();
        sign(folder.path(), &marker).unwrap();
        let mut polite = start("echo; read x", &marker);
        let mut deaf = start("trap '' TERM; echo; read x; read y", &marker);
        let mut stranger = start("echo; read x", &other);
        let ended = end(folder.path()).unwrap();
        assert_eq!(ended, Ended { told: 1, killed: 1, left: Vec::new() });
        assert!(!polite.wait().unwrap().success() && !deaf.wait().unwrap().success());
        assert!(stranger.try_wait().unwrap().is_none(), "it belongs to somebody else");
        drop(stranger.stdin.take());
        stranger.wait().unwrap();
    }
}
