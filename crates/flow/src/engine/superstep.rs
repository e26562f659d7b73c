//! Runs the nodes of one superstep, all in the attempt's own task.

use batchmill_core::{CancelSignal, NodeContext, NodeError, StateData};
use futures_util::future::join_all;
use serde_json::Value;

use super::{StepContext, guard::guarded, limit::limited};
use crate::graph::CompiledNode;

/// Runs one node once.
pub(super) async fn run_node(
    node: &CompiledNode,
    state: &StateData,
    context: &StepContext<'_>,
    error: Option<&Value>,
) -> Result<StateData, NodeError> {
    let make = |cancel| NodeContext::new(context.job, &node.name, context.input, cancel).with_error(error);
    match node.timeout {
        None => {
            let context = make(context.cancel);
            guarded(|| node.node.run(state, context)).await
        }
        Some(limit) => {
            let own = CancelSignal::new();
            let node_context = make(&own);
            let run = guarded(|| node.node.run(state, node_context));
            limited(run, &node.name, limit, &own, context.cancel).await
        }
    }
}

/// Runs several nodes at once; the results come in the order of `nodes`.
pub(super) async fn run_all<'a>(
    nodes: impl Iterator<Item = (&'a CompiledNode, Option<&'a Value>)>,
    state: &StateData,
    context: &StepContext<'_>,
) -> Vec<Result<StateData, NodeError>> {
    join_all(nodes.map(|(node, error)| run_node(node, state, context, error))).await
}
