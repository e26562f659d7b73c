//! Processes started and watched below the node: what only shows from inside.

use std::{ffi::CString, io, path::PathBuf};

use batchmill_core::{CancelReason, CancelSignal, ControlGroup};

use super::{Child, Command, Pipes, SpawnError, spawn};
use crate::process::{End, Limits, supervise};

const LIMITS: Limits = Limits { stdout: 1 << 20, fail_on_overflow: true, is_weighed: false, idle: None };

fn command(arguments: &[&str]) -> Command {
    let arguments = arguments.iter().map(|text| CString::new(*text).unwrap()).collect();
    let path = CString::new("PATH=/usr/bin:/bin").unwrap();
    Command {
        arguments,
        shared_environment: [path].into(),
        environment: Vec::new(),
        directory: None,
        nice: 0,
        group: ControlGroup::default(),
    }
}

async fn start(arguments: &[&str]) -> (Child, Pipes) {
    spawn(command(arguments)).await.unwrap()
}

async fn stdout_of(arguments: &[&str]) -> String {
    let (child, pipes) = start(arguments).await;
    let ended = supervise(child, pipes, LIMITS, &CancelSignal::new()).await.unwrap();
    String::from_utf8(ended.stdout.into_bytes()).unwrap()
}

fn exists(pid: i32) -> bool {
    PathBuf::from(format!("/proc/{pid}")).exists()
}

/// Waits for a condition that other threads or processes bring about.
async fn eventually(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..2000 {
        if condition() {
            return;
        }
        // tidy: allow(sleeps): a look at a condition that real processes bring about without a signal
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}

#[tokio::test]
async fn children_have_default_signals_their_own_group_and_nothing_open() {
    let script = "grep -E '^(SigBlk|SigIgn)' /proc/self/status; ls /proc/self/fd; ulimit -c; \
                  [ $(ps -o pgid= -p $$) = $$ ] && echo leader; readlink /proc/self/fd/0";
    let host_file = std::fs::File::open("/dev/null").unwrap();
    let inherited = super::sys::leak(&host_file);
    let text = stdout_of(&["sh", "-c", script]).await;
    drop(inherited);
    let (signals, rest): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("Sig"));
    for line in signals {
        let set = u64::from_str_radix(line.split_once('\t').unwrap().1, 16).unwrap();
        // 32 and 33 belong to libc, which neither shows nor changes them.
        assert_eq!(set & !(0b11 << 31), 0, "{line}");
    }
    assert_eq!(rest, ["0", "1", "2", "3", "0", "leader", "/dev/null"], "3 is the folder that ls reads");
}

#[tokio::test]
async fn the_host_is_told_apart_from_the_program_when_a_start_fails() {
    assert!(
        matches!(spawn(command(&["no-such-program-here"])).await, Err(SpawnError::Program(error)) if error.kind() == io::ErrorKind::NotFound)
    );
    assert!(
        matches!(spawn(command(&["/etc/passwd"])).await, Err(SpawnError::Program(error)) if error.kind() == io::ErrorKind::PermissionDenied)
    );
    let mut nowhere = command(&["true"]);
    nowhere.directory = Some(std::sync::Arc::new(c"/no/such/folder".into()));
    assert!(
        matches!(spawn(nowhere).await, Err(SpawnError::Directory(error)) if error.kind() == io::ErrorKind::NotFound)
    );
}

#[tokio::test]
async fn without_a_pidfd_the_end_is_noticed_all_the_same() {
    let (child, pipes) = start(&["sh", "-c", "echo here; exit 3"]).await;
    let child = child.without_pidfd();
    let ended = supervise(child, pipes, LIMITS, &CancelSignal::new()).await.unwrap();
    assert!(matches!(ended.end, End::Exited(status) if status.code() == Some(3)));
    assert_eq!(ended.stdout.into_bytes(), b"here\n");

    let (child, pipes) = start(&["sleep", "1000"]).await;
    let (child, cancel) = (child.without_pidfd(), CancelSignal::new());
    let pid = child.pid();
    cancel.cancel(CancelReason::Kill);
    let ended = supervise(child, pipes, LIMITS, &cancel).await.unwrap();
    assert!(matches!(ended.end, End::Stopped));
    assert!(!exists(pid), "reaped");
}

#[tokio::test]
async fn a_process_is_in_its_group_before_it_is_its_program_and_runs_without_one_that_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let procs = folder.path().join("cgroup.procs");
    std::fs::write(&procs, "").unwrap();
    let put = command(&["cat", procs.to_str().unwrap()]);
    assert!(put.group.set(folder.path().to_owned()));
    let (child, pipes) = spawn(put).await.unwrap();
    let ended = supervise(child, pipes, LIMITS, &CancelSignal::new()).await.unwrap();
    assert_eq!(ended.stdout.into_bytes(), b"0", "who writes it moves itself");

    std::fs::remove_file(&procs).unwrap();
    let outside = command(&["echo", "here"]);
    assert!(outside.group.set(folder.path().to_owned()));
    let (child, pipes) = spawn(outside).await.unwrap();
    let ended = supervise(child, pipes, LIMITS, &CancelSignal::new()).await.unwrap();
    assert_eq!(ended.stdout.into_bytes(), b"here\n");
}

#[tokio::test]
async fn a_dropped_child_is_killed_and_reaped() {
    let (child, pipes) = start(&["sleep", "1000"]).await;
    let pid = child.pid();
    assert!(exists(pid));
    drop((child, pipes));
    eventually("the zombie is gone", || !exists(pid)).await;
}

#[tokio::test]
async fn an_end_that_has_happened_beats_an_order_that_comes_late() {
    for reason in [CancelReason::Timeout, CancelReason::Stop, CancelReason::Kill] {
        let (child, pipes) = start(&["sh", "-c", "echo done"]).await;
        eventually("the process has ended", || child.has_ended()).await;
        let cancel = CancelSignal::new();
        cancel.cancel(reason);
        let ended = supervise(child, pipes, LIMITS, &cancel).await.unwrap();
        assert!(matches!(ended.end, End::Exited(status) if status.success()), "{reason:?}: {:?}", ended.end);
        assert_eq!(ended.stdout.into_bytes(), b"done\n");
    }
}

#[tokio::test]
async fn the_threads_that_start_processes_never_end() {
    start(&["true"]).await;
    let names = || {
        let threads = std::fs::read_dir("/proc/self/task").unwrap();
        let names = threads.filter_map(|t| std::fs::read_to_string(t.ok()?.path().join("comm")).ok());
        // Not the reaper's: it starts when the first child is left to it, which may be at any time.
        names.filter(|name| name.starts_with("batchmill-spawn")).count()
    };
    // A thread names itself when it first runs.
    let all = std::thread::available_parallelism().unwrap().get().min(4);
    eventually("every thread has its name", || names() == all).await;
    for _ in 0..20 {
        assert!(spawn(command(&["no-such-program-here"])).await.is_err());
    }
    assert_eq!(names(), all);
}
