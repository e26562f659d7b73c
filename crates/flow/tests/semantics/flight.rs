//! Checkpoints in flight: how many, and who waits for them.

use std::{
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use batchmill_core::CancelSignal;
use batchmill_flow::{
    Arm, AttemptEnd, AttemptRequest, CheckpointMode, CompiledGraph, ExecutionEngine, NodeSpec, StateGraph, node_fn,
};
use serde_json::json;

use crate::{
    check::{job, object},
    disk::Disk,
};

/// A flow of `supersteps` runs of one node, which leaves `bytes` in the state. With the number of runs so far.
fn count(supersteps: usize, bytes: usize) -> (CompiledGraph, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let run = node_fn(move |_| {
        let n = counted.fetch_add(1, Ordering::SeqCst) + 1;
        json!({"n": n, "text": "x".repeat(bytes)})
    });
    let again = move |state: &batchmill_core::StateData| state["n"] != supersteps;
    let graph = StateGraph::new("count")
        .checkpoint(CheckpointMode::Step)
        .max_steps(1000)
        .output(batchmill_flow::expr::Filter::compile("{n}").unwrap())
        .start(["a"])
        .node("a", NodeSpec::from(run).branch([Arm::when(again, "a"), Arm::otherwise("END")]))
        .compile()
        .unwrap();
    (graph, runs)
}

/// Runs an attempt, whose future `watch` polls as often as it likes.
fn attempt(graph: &CompiledGraph, engine: &ExecutionEngine, watch: impl FnOnce(&mut dyn FnMut() -> Option<String>)) {
    let (job, input, cancel) = (job(), object(json!({})), CancelSignal::new());
    let request = AttemptRequest { job: &job, input: &input, cancel: &cancel, resume: false, given_up: &[] };
    let mut attempt = pin!(engine.attempt(graph, request));
    watch(&mut || poll(attempt.as_mut()));
}

fn poll(attempt: Pin<&mut impl Future<Output = AttemptEnd>>) -> Option<String> {
    match attempt.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => None,
        Poll::Ready(AttemptEnd::Done { output, checkpointed }) => Some(format!("done {output} {checkpointed}")),
        Poll::Ready(AttemptEnd::Failed(failure)) => Some(format!("failed {}", failure.first.error.code)),
        Poll::Ready(AttemptEnd::Stopped) => Some("stopped".to_owned()),
    }
}

#[test]
fn the_flow_waits_for_no_commit_and_its_end_for_all() {
    let (graph, runs) = count(20, 0);
    let disk = Arc::new(Disk::default());
    attempt(&graph, &ExecutionEngine::new().checkpointer(disk.clone()), |poll| {
        assert_eq!(poll(), None);
        assert_eq!((runs.load(Ordering::SeqCst), disk.in_flight()), (20, 19), "it ran to its end");
        disk.confirm(18);
        assert_eq!(poll(), None);
        assert_eq!(disk.deletions(), 0);
        disk.confirm(1);
        assert_eq!(poll().as_deref(), Some(r#"done {"n":20} true"#));
    });
    assert_eq!(disk.deletions(), 1);
}

#[test]
fn with_a_journal_the_checkpoints_of_a_finished_flow_stay() {
    let (graph, _) = count(3, 0);
    let disk = Arc::new(Disk::default());
    attempt(&graph, &ExecutionEngine::new().checkpointer(disk.clone()).without_deletion(), |poll| {
        assert_eq!(poll(), None);
        disk.confirm(2);
        assert_eq!(poll().as_deref(), Some(r#"done {"n":3} true"#));
    });
    assert_eq!((disk.deletions(), disk.written().map(|kept| kept.step)), (0, Some(2)));
}

#[test]
fn where_the_result_deletes_them_a_finished_flow_waits_for_no_commit_even_one_that_fails() {
    let (graph, _) = count(3, 0);
    let disk = Arc::new(Disk::with_result());
    disk.breaks_at(0);
    attempt(&graph, &ExecutionEngine::new().checkpointer(disk.clone()).without_deletion(), |poll| {
        assert_eq!(poll().as_deref(), Some(r#"done {"n":3} true"#));
    });
    assert_eq!((disk.in_flight(), disk.deletions()), (2, 0), "they were handed over");
    // Nobody records a result: then the engine waits and deletes itself.
    let (graph, _) = count(3, 0);
    let disk = Arc::new(Disk::with_result());
    attempt(&graph, &ExecutionEngine::new().checkpointer(disk.clone()), |poll| {
        assert_eq!(poll(), None);
        disk.confirm(2);
        assert_eq!(poll().as_deref(), Some(r#"done {"n":3} true"#));
    });
    assert_eq!(disk.deletions(), 1);
}

#[test]
fn a_commit_that_fails_is_seen_before_the_attempt_ends() {
    for broken in [0, 7, 18] {
        let (graph, _) = count(20, 0);
        let disk = Arc::new(Disk::default());
        disk.breaks_at(broken);
        attempt(&graph, &ExecutionEngine::new().checkpointer(disk.clone()), |poll| {
            assert_eq!(poll(), None);
            disk.confirm(19);
            assert_eq!(poll().as_deref(), Some("failed checkpoint_failed"), "the put of number {broken}");
        });
        assert_eq!(disk.deletions(), 0);
    }
}

#[test]
fn at_most_64_commits_of_16_mebibytes_are_in_flight() {
    for (bytes, most) in [(0, 64), (3 << 20, 5), (10 << 20, 1)] {
        let (graph, runs) = count(100, bytes);
        let disk = Arc::new(Disk::default());
        attempt(&graph, &ExecutionEngine::new().checkpointer(disk.clone()), |poll| {
            assert_eq!(poll(), None);
            assert_eq!((disk.in_flight(), runs.load(Ordering::SeqCst)), (most, most + 1), "of {bytes} bytes");
            disk.confirm(1);
            assert_eq!(poll(), None);
            assert_eq!((disk.in_flight(), runs.load(Ordering::SeqCst)), (most, most + 2), "one goes, one comes");
        });
    }
}
