//! What a program that embeds Batchmill is promised.

mod limits;
mod outcomes;
mod refusals;
mod streams;

use std::sync::Arc;

use batchmill::{BatchJob, CompiledGraph, JobId, NodeSpec, StateData, StateGraph};
use serde_json::json;

/// A graph of one node.
fn graph(node: impl Into<NodeSpec>) -> Arc<CompiledGraph> {
    Arc::new(StateGraph::new("one").start(["only"]).node("only", node).compile().unwrap())
}

/// Jobs `0..count` with their number as `n`.
fn jobs(graph: &Arc<CompiledGraph>, count: u64) -> Vec<BatchJob> {
    (0..count).map(|n| job(graph, n)).collect()
}

fn job(graph: &Arc<CompiledGraph>, n: u64) -> BatchJob {
    BatchJob::new(JobId::from(n), graph.clone(), StateData::from_iter([("n".to_owned(), json!(n))]))
}
