//! Orders to stop, and futures that are dropped.

use std::{fs, time::Duration};

use batchmill_core::{CancelReason, CancelSignal, ErrorClass, NodeError, StateData};
use serde_json::{Value, json};

use crate::support::{alive, eventually, node, run_as, until, while_time_stands};

/// Runs a script as job `id`; once `ready` holds, raises `reason`. Checks that nothing is left.
async fn stopped(
    script: &str,
    id: &str,
    ready: impl Fn() -> bool,
    reason: CancelReason,
) -> Result<StateData, NodeError> {
    let (node, cancel) =
        (node(json!({"run": script, "shell": true, "output": "{text: .stdout}"})), CancelSignal::new());
    let order = async {
        eventually("the processes run", ready).await;
        cancel.cancel(reason);
    };
    let (ended, ()) = tokio::join!(run_as(node.as_ref(), Value::Object(StateData::new()), id, &cancel), order);
    eventually("the whole group is dead", || alive(id).is_empty()).await;
    ended
}

/// The same for one that ends before its grace is over, however slow the machine is.
async fn stopped_in_time(script: &str, id: &str, ready: impl Fn() -> bool) -> Result<StateData, NodeError> {
    let (node, cancel) = (node(json!({"run": script, "shell": true})), CancelSignal::new());
    let order = async {
        until(ready).await;
        cancel.cancel(CancelReason::Stop);
    };
    let both = async { tokio::join!(run_as(node.as_ref(), json!({}), id, &cancel), order) };
    let (ended, ()) = while_time_stands("it ends by itself", both).await;
    eventually("the whole group is dead", || alive(id).is_empty()).await;
    ended
}

#[tokio::test]
async fn every_reason_ends_the_whole_group() {
    for (id, reason) in
        [("group-t", CancelReason::Timeout), ("group-s", CancelReason::Stop), ("group-k", CancelReason::Kill)]
    {
        let script = "sleep 1000 & (sleep 1000 & sleep 1000) & wait";
        let ended = stopped(script, id, || alive(id).len() >= 4, reason).await;
        assert_eq!(ended, Err(NodeError::cancelled()), "{reason:?}");
    }
}

#[tokio::test]
async fn who_ignores_term_is_killed() {
    let script = "trap '' TERM; sleep 1000 & sleep 1000 & wait";
    let ended = stopped(script, "deaf", || alive("deaf").len() >= 3, CancelReason::Stop).await;
    assert_eq!(ended, Err(NodeError::cancelled()));
}

#[tokio::test]
async fn a_stop_gives_time_to_end_cleanly_and_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let (ready, clean) = (folder.path().join("ready"), folder.path().join("clean"));
    // Ready when its child is there: one that is started after the stop does not hear of it, and holds the output.
    let script =
        format!("trap 'echo yes > {}; exit 0' TERM; sleep 1000 & touch {}; wait", clean.display(), ready.display());
    let ended = stopped_in_time(&script, "polite", || ready.exists()).await;
    assert_eq!(ended, Err(NodeError::cancelled()));
    assert_eq!(fs::read_to_string(clean).unwrap(), "yes\n");
}

#[tokio::test]
async fn a_kill_during_the_grace_does_not_wait_for_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let (ready, asked) = (folder.path().join("ready"), folder.path().join("asked"));
    let script =
        format!("trap 'touch {}' TERM; touch {}; while :; do sleep 0.01; done", asked.display(), ready.display());
    let (node, cancel) = (node(json!({"run": script, "shell": true})), CancelSignal::new());
    let order = async {
        until(|| ready.exists()).await;
        cancel.cancel(CancelReason::Stop);
        until(|| asked.exists()).await;
        cancel.cancel(CancelReason::Kill);
    };
    let both = async { tokio::join!(run_as(node.as_ref(), json!({}), "grace", &cancel), order) };
    let (ended, ()) = while_time_stands("it is killed before its grace is over", both).await;
    assert_eq!(ended, Err(NodeError::cancelled()));
    eventually("the group is dead", || alive("grace").is_empty()).await;
}

#[tokio::test]
async fn a_group_that_was_paused_hears_the_stop_too() {
    let folder = tempfile::tempdir().unwrap();
    let clean = folder.path().join("clean");
    let script = format!("trap 'touch {}; exit 0' TERM; kill -STOP $$; sleep 1000 & wait", clean.display());
    let paused = || {
        alive("paused").iter().any(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
        })
    };
    let ended = stopped_in_time(&script, "paused", paused).await;
    assert_eq!(ended, Err(NodeError::cancelled()));
    assert!(clean.exists(), "TERM was handled");
}

#[tokio::test]
async fn a_process_that_writes_without_end_can_be_stopped() {
    let node = node(json!({"run": ["yes"], "on_overflow": "truncate"}));
    let cancel = CancelSignal::new();
    let order = async {
        eventually("it runs", || !alive("flood").is_empty()).await;
        cancel.cancel(CancelReason::Stop);
    };
    let (ended, ()) = tokio::join!(run_as(node.as_ref(), json!({}), "flood", &cancel), order);
    assert_eq!(ended, Err(NodeError::cancelled()));
    eventually("it is dead", || alive("flood").is_empty()).await;
}

#[tokio::test]
async fn nothing_is_started_after_the_order() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let (node, cancel) = (node(json!({"run": ["touch", trace.to_str()]})), CancelSignal::new());
    cancel.cancel(CancelReason::Stop);
    assert_eq!(run_as(node.as_ref(), json!({}), "late", &cancel).await, Err(NodeError::cancelled()));
    assert!(!trace.exists());
}

#[tokio::test]
async fn a_dropped_future_kills_the_group() {
    let node = node(json!({"run": "sleep 1000 & sleep 1000", "shell": true}));
    let cancel = CancelSignal::new();
    tokio::select! {
        _ = run_as(node.as_ref(), json!({}), "dropped", &cancel) => panic!("it ended"),
        () = eventually("both run", || alive("dropped").len() >= 2) => {}
    }
    eventually("both are dead", || alive("dropped").is_empty()).await;
}

#[test]
fn a_runtime_that_ends_takes_its_processes_along() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::spawn(async {
            let node = node(json!({"run": "sleep 1000 & sleep 1000", "shell": true}));
            run_as(node.as_ref(), json!({}), "orphans", &CancelSignal::new()).await
        });
        eventually("both run", || alive("orphans").len() >= 2).await;
    });
    runtime.shutdown_timeout(Duration::from_secs(60));
    let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    other.block_on(eventually("both are dead", || alive("orphans").is_empty()));
}

#[tokio::test]
async fn a_process_that_writes_nothing_for_too_long_is_ended_with_its_group() {
    let silent = json!({"run": "echo begun; sleep 1000 & sleep 1000", "shell": true, "idle_timeout": "300ms"});
    let ended = run_as(node(silent).as_ref(), json!({}), "idle", &CancelSignal::new()).await.unwrap_err();
    assert_eq!((ended.class, &*ended.code), (ErrorClass::Timeout, "idle_timeout"));
    assert_eq!(ended.message, "`/bin/sh` wrote nothing for 300ms and was ended");
    eventually("the whole group is dead", || alive("idle").is_empty()).await;
}

#[tokio::test]
async fn output_on_either_stream_is_no_silence() {
    let script = "for n in 1 2 3 4 5 6; do echo $n; sleep 0.3; echo $n >&2; sleep 0.3; done";
    let busy = json!({"run": script, "shell": true, "idle_timeout": "2s", "output": "{text: .stdout}"});
    let update = run_as(node(busy).as_ref(), json!({}), "busy", &CancelSignal::new()).await.unwrap();
    assert_eq!(update["text"], "1\n2\n3\n4\n5\n6\n");
}
