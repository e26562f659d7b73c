//! Checkpoints: when they are made, what they hold, and that runs go on from them.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use batchmill_core::{CancelSignal, Checkpoint, CheckpointError, CheckpointId, Checkpointer, ThreadId};
use batchmill_flow::{
    AttemptEnd, AttemptRequest, CheckpointMode, Execution, ExecutionEngine, NodeSpec, StateGraph, StepContext, Stepped,
    node_fn,
};
use serde_json::{Value, json};

use crate::{
    check::{flow, job, object},
    kinds::Log,
};

/// Writes down what is asked of it.
#[derive(Debug, Default)]
struct Recorder {
    calls: Mutex<Vec<String>>,
    refuses: bool,
    latest: Mutex<Option<Checkpoint>>,
}

#[async_trait]
impl Checkpointer for Recorder {
    async fn put(&self, thread: &ThreadId, checkpoint: Checkpoint) -> Result<(), CheckpointError> {
        let (id, next, pending) = (checkpoint.id.0, checkpoint.next.join(" "), checkpoint.pending.len());
        let parent = checkpoint.parent.map_or(0, |id| id.0);
        let line = format!("put {thread} {parent}>{id} step {}: {next} +{pending}", checkpoint.step);
        self.calls.lock().unwrap().push(line);
        *self.latest.lock().unwrap() = Some(checkpoint);
        // A commit takes a while; with mode `step` the next superstep begins meanwhile.
        tokio::task::yield_now().await;
        self.calls.lock().unwrap().push("kept".to_owned());
        if self.refuses { Err(CheckpointError::new("the disk is full")) } else { Ok(()) }
    }
    async fn get(&self, _: &ThreadId, _: Option<CheckpointId>) -> Result<Option<Checkpoint>, CheckpointError> {
        self.calls.lock().unwrap().push("get".to_owned());
        Ok(self.latest.lock().unwrap().clone())
    }
    async fn list(&self, _: &ThreadId) -> Result<Vec<CheckpointId>, CheckpointError> {
        Ok(Vec::new())
    }
    async fn delete_thread(&self, thread: &ThreadId) -> Result<(), CheckpointError> {
        self.calls.lock().unwrap().push(format!("delete {thread}"));
        Ok(())
    }
}

/// Runs attempts of a flow under a mode and shows what its checkpointer saw.
async fn calls(mode: &str, nodes: &str, attempts: u32, refuses: bool) -> (Vec<String>, String) {
    let log = Log::default();
    let recorder = Arc::new(Recorder { refuses, ..Recorder::default() });
    let flow = flow(&format!("checkpoint: {mode}\nnodes:\n{nodes}"), &log);
    let engine = ExecutionEngine::new().checkpointer(recorder.clone());
    let (job, input, cancel) = (job(), object(json!({})), CancelSignal::new());
    let mut last = String::new();
    for number in 1..=attempts {
        let resume = number > 1;
        let request = AttemptRequest { job: &job, input: &input, cancel: &cancel, resume, given_up: &[] };
        last = match engine.attempt(flow.graph(), request).await {
            AttemptEnd::Done { output, checkpointed } => format!("done {output} {checkpointed}"),
            AttemptEnd::Failed(failure) => format!("failed {}: {}", failure.first.error.code, failure.first.error),
            AttemptEnd::Stopped => "stopped".to_owned(),
        };
    }
    let seen = std::mem::take(&mut *recorder.calls.lock().unwrap());
    (seen, last)
}

const LINE: &str = "  a: {jq: '{}', next: b}\n  b: {jq: '{}', next: c}\n  c: {jq: '{c: 1}'}";

#[tokio::test]
async fn a_checkpoint_follows_every_superstep_but_the_last() {
    for mode in ["step", "step_sync"] {
        assert_eq!(
            calls(mode, LINE, 1, false).await,
            (
                [
                    "put batch/job 0>1 step 1: b +0",
                    "kept",
                    "put batch/job 1>2 step 2: c +0",
                    "kept",
                    "delete batch/job"
                ]
                .map(str::to_owned)
                .to_vec(),
                r#"done {"c":1} true"#.to_owned()
            ),
            "{mode}"
        );
    }
}

#[tokio::test]
async fn a_flow_of_one_superstep_or_without_failure_at_its_exit_needs_none() {
    assert_eq!(calls("step", "  a: {jq: '{}'}", 1, false).await, (Vec::new(), "done {} false".to_owned()));
    assert_eq!(calls("exit", LINE, 1, false).await, (Vec::new(), r#"done {"c":1} false"#.to_owned()));
    assert_eq!(calls("none", LINE, 1, false).await, (Vec::new(), r#"done {"c":1} false"#.to_owned()));
}

#[tokio::test]
async fn with_step_the_next_superstep_runs_while_the_checkpoint_commits_and_with_step_sync_it_waits() {
    for mode in [CheckpointMode::Step, CheckpointMode::StepSync] {
        let recorder = Arc::new(Recorder::default());
        let seen = recorder.clone();
        let graph = StateGraph::new("g")
            .checkpoint(mode)
            .node("a", NodeSpec::from(node_fn(|_| ())).next("b"))
            .node(
                "b",
                node_fn(move |_| {
                    let kept = seen.calls.lock().unwrap().contains(&"kept".to_owned());
                    json!({"kept_before": kept})
                }),
            )
            .compile()
            .unwrap();
        let engine = ExecutionEngine::new().checkpointer(recorder);
        let (job, input, cancel) = (job(), object(json!({})), CancelSignal::new());
        let request = AttemptRequest { job: &job, input: &input, cancel: &cancel, resume: false, given_up: &[] };
        let AttemptEnd::Done { output, .. } = engine.attempt(&graph, request).await else { panic!("{mode:?}") };
        assert_eq!(output["kept_before"], mode == CheckpointMode::StepSync, "{mode:?}");
    }
}

#[tokio::test]
async fn pending_writes_are_kept_at_the_failing_end_and_once() {
    let nodes = "  a: {jq: '{}'}\n  b: {fail: transient}";
    assert_eq!(
        calls("step", nodes, 2, false).await,
        (
            ["put batch/job 0>1 step 0: a b +1", "kept", "get"].map(str::to_owned).to_vec(),
            "failed broken: broken".to_owned()
        )
    );
}

#[tokio::test]
async fn with_exit_a_failing_attempt_keeps_where_it_stands() {
    let nodes = "  a: {jq: '{}', next: b}\n  b: {fail: transient, times: 1}";
    assert_eq!(
        calls("exit", nodes, 2, false).await,
        (
            ["put batch/job 0>1 step 1: b +0", "kept", "get", "delete batch/job"].map(str::to_owned).to_vec(),
            "done {} true".to_owned()
        )
    );
}

#[tokio::test]
async fn a_checkpoint_that_cannot_be_kept_fails_the_attempt() {
    for mode in ["step", "step_sync"] {
        let (_, end) = calls(mode, LINE, 1, true).await;
        assert_eq!(end, "failed checkpoint_failed: the disk is full", "{mode}");
    }
}

#[tokio::test]
async fn a_run_goes_on_from_any_checkpoint_as_if_it_had_never_stopped() {
    let yaml = "max_steps: 40
state: {seen: {reduce: append}}
start: fork
nodes:
  fork: {jq: '{seen: \"f\"}', next: [p, q]}
  p: {jq: '{seen: \"p\"}'}
  q: {fail: transient, on_error: {goto: q1}}
  q1: {jq: '{seen: $error.node}', next: q2}
  q2: {jq: '{seen: \"q2\"}'}
  j: {needs: [p, q2], jq: '{seen: \"j\"}', next: [{when: '.seen | length < 12', to: fork}, {to: END}]}";
    let flow = flow(yaml, &Log::default());
    let (job, input, cancel) = (job(), object(json!({})), CancelSignal::new());
    let context = StepContext { job: &job, input: &input, cancel: &cancel };
    let run = async |interrupted: bool| {
        let mut execution = Execution::start(flow.graph(), input.clone()).unwrap().without_retries();
        while let Stepped::Continue = execution.step(&context).await {
            if interrupted {
                // Through JSON, as a store would keep it.
                let kept = serde_json::to_string(&execution.checkpoint(CheckpointId(1), None)).unwrap();
                let kept = serde_json::from_str(&kept).unwrap();
                execution = Execution::resume(flow.graph(), kept).unwrap().without_retries();
            }
        }
        Value::Object(execution.into_state())
    };
    let whole = run(false).await;
    assert_eq!(whole["seen"].as_array().unwrap().len(), 15);
    assert_eq!(run(true).await, whole);
}

#[tokio::test]
async fn a_checkpoint_of_another_flow_is_refused() {
    let flow = flow("nodes:\n  a: {jq: '{}'}", &Log::default());
    let other = Checkpoint::new(CheckpointId(1), 1, object(json!({})), vec!["b".to_owned()]);
    let error = Execution::resume(flow.graph(), other).unwrap_err();
    assert_eq!(
        (&*error.code, error.message.as_str()),
        ("checkpoint_mismatch", "the checkpoint is not of this flow: it names node `b`")
    );
}
