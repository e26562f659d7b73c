//! Runs the nodes of one superstep, all in the attempt's own task.

use batchmill_core::{CancelSignal, NodeContext, NodeError, Notes, StateData};
use futures_util::future::join_all;
use serde_json::Value;

use super::{NodeTimer, StepContext, guard::guarded, limit::limited, timing::Stopwatch};
use crate::graph::CompiledNode;

/// One run of a node.
#[derive(Clone, Copy)]
pub(super) struct Visit<'a> {
    pub(super) node: &'a CompiledNode,
    /// Its place in the graph.
    pub(super) place: u32,
    /// The error that led here.
    pub(super) error: Option<&'a Value>,
    pub(super) notes: Option<&'a Notes>,
    pub(super) timer: Option<&'a dyn NodeTimer>,
}

impl Visit<'_> {
    pub(super) fn context<'c>(&'c self, context: &StepContext<'c>, cancel: &'c CancelSignal) -> NodeContext<'c> {
        let made = NodeContext::new(context.job, &self.node.name, context.input, cancel);
        made.with_error(self.error).with_notes(self.notes)
    }
}

/// Runs one node once.
pub(super) async fn run_node(
    visit: Visit<'_>,
    state: &StateData,
    context: &StepContext<'_>,
) -> Result<StateData, NodeError> {
    let node = visit.node;
    let make = |cancel| visit.context(context, cancel);
    let stopwatch = Stopwatch::start(visit);
    let result = match node.limit() {
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
    };
    if let (Some(stopwatch), Ok(_)) = (stopwatch, &result) {
        stopwatch.stop();
    }
    result
}

/// Runs several nodes at once; the results come in the order of `visits`.
pub(super) async fn run_all<'a>(
    visits: impl Iterator<Item = Visit<'a>>,
    state: &StateData,
    context: &StepContext<'_>,
) -> Vec<Result<StateData, NodeError>> {
    join_all(visits.map(|visit| run_node(visit, state, context))).await
}
