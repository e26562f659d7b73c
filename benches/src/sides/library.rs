//! Flows through the batch executor of the library, with its defaults.

use std::sync::Arc;

use batchmill::{
    BatchExecutor, BatchJob, BatchJobStatus, BatchResult, CheckpointMode, CompiledGraph, FlowFile, JobId, NodeCatalog,
    NodeSpec, StateData, StateGraph, node_fn,
};
use batchmill_core::{BuildContext, Node};
use batchmill_plugin::Registry;
use serde_json::{Value, json};

use super::runtime;
use crate::measure::{Sample, Stopwatch};

/// Three native nodes in a chain, each adds one to `x`.
pub(crate) fn native_chain(checkpoint: CheckpointMode) -> Arc<CompiledGraph> {
    let add = || NodeSpec::from(node_fn(|state: &StateData| json!({"x": state["x"].as_i64().unwrap_or(0) + 1})));
    let graph = StateGraph::new("chain")
        .checkpoint(checkpoint)
        .node("a", add())
        .node("b", add().needs(["a"]))
        .node("c", add().needs(["b"]));
    Arc::new(graph.compile().expect("the graph is good"))
}

/// The same of `set` nodes, with jq.
pub(crate) fn jq_chain() -> Arc<CompiledGraph> {
    flow(
        "version: 1
name: chain
checkpoint: none
nodes:
  a: {set: '{x: (.x + 1)}'}
  b: {set: '{x: (.x + 1)}', needs: [a]}
  c: {set: '{x: (.x + 1)}', needs: [b]}
",
    )
}

/// One process, whose output is captured.
pub(crate) fn one_process() -> Arc<CompiledGraph> {
    flow(
        "version: 1
name: spawn
nodes:
  true: {run: [/bin/true], output: '{x: .exit_code, written: .stdout}'}
",
    )
}

fn flow(text: &str) -> Arc<CompiledGraph> {
    let mut registry = Registry::default();
    batchmill_node_run::register(&mut registry);
    batchmill_node_set::register(&mut registry);
    let catalog = NodeCatalog::of(registry.all::<dyn Node>().clone(), BuildContext::default());
    FlowFile::parse(text, "bench.yaml", &catalog).expect("the flow is good").graph().clone()
}

/// Runs a flow `jobs` times, from `x` = 0, 1, 2 …; `expected` says what it must make of it.
pub(crate) fn run(
    graph: &Arc<CompiledGraph>,
    jobs: u32,
    concurrency: u32,
    expected: fn(u32) -> u32,
) -> Result<Sample, String> {
    let stopwatch = Stopwatch::start();
    let graph = graph.clone();
    let batch = async move {
        let executor = BatchExecutor::builder().concurrency_limit(concurrency).on_progress(|_| ()).build();
        let executor = executor.map_err(|error| error.to_string())?;
        let job = |x| BatchJob::new(JobId::from(u64::from(x)), graph.clone(), input(x));
        executor.run((0..jobs).map(job).collect()).await.map_err(|error| error.to_string())
    };
    // On a worker like the other sides, not on the thread that blocks.
    let ran = runtime().block_on(async move { tokio::spawn(batch).await });
    let results = ran.map_err(|error| error.to_string()).flatten()?;
    let is_right = |(x, result): (u32, &BatchResult)| {
        let x_out = result.output.as_ref().and_then(|output| output["x"].as_u64());
        result.status == BatchJobStatus::Succeeded && x_out == Some(expected(x).into())
    };
    let right = (0..jobs).zip(&results).filter(|(x, result)| is_right((*x, result))).count();
    stopwatch.rate(jobs, right as u64)
}

fn input(x: u32) -> StateData {
    StateData::from_iter([("x".to_owned(), Value::from(x))])
}
