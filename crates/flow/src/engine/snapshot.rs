//! Between an execution and its checkpoints: names instead of indices, so that a checkpoint outlives a build.

use batchmill_core::{Checkpoint, CheckpointId, NodeError, PendingWrite, StateData};
use serde_json::{Map, Value, json};

use super::{Execution, execution::NodeEnd};
use crate::graph::{CompiledGraph, Feed};

impl<'g> Execution<'g> {
    /// Everything that a later attempt needs to go on from here.
    pub fn checkpoint(&self, id: CheckpointId, parent: Option<CheckpointId>) -> Checkpoint {
        let name = |node: &u32| self.graph.node(*node).name.to_string();
        let next = self.ready.iter().map(name).collect();
        let mut checkpoint = Checkpoint::new(id, self.step, self.state.clone(), next);
        checkpoint.parent = parent;
        checkpoint.joins = self.remembered();
        checkpoint.pending = self.known.iter().filter_map(|(node, end)| pending(name(node), end)).collect();
        checkpoint
    }

    /// Stands where the checkpoint was made. The error is that of a flow that has changed meanwhile.
    pub fn resume(graph: &'g CompiledGraph, checkpoint: Checkpoint) -> Result<Self, NodeError> {
        let mut ready = checkpoint.next.iter().map(|name| find(graph, name)).collect::<Result<Vec<_>, _>>()?;
        ready.sort_unstable();
        ready.dedup();
        let mut execution = Self::at(graph, checkpoint.state, checkpoint.step, ready);
        for write in checkpoint.pending {
            let node = find(graph, &write.node)?;
            if execution.ready.binary_search(&node).is_err() {
                return Err(mismatch(&format!("holds an update of node `{}`, which does not run next", write.node)));
            }
            let end = match write.error {
                Some(error) => NodeEnd::Handled(Box::new(error)),
                None => NodeEnd::Updated(write.update),
            };
            execution.known.push((node, end));
        }
        execution.remember(&checkpoint.joins)?;
        Ok(execution)
    }

    /// Arrivals at joins, `$error` of nodes that run next, and which of these have failed there.
    fn remembered(&self) -> Value {
        let mut remembered = Map::new();
        if !self.arrivals.is_empty() {
            let arrivals: Map<_, _> =
                self.arrivals.iter(self.graph).map(|(join, needs)| (join.to_owned(), json!(needs))).collect();
            remembered.insert("arrivals".to_owned(), arrivals.into());
        }
        if !self.errors.is_empty() {
            let name = |node: &u32| self.graph.node(*node).name.to_string();
            let errors: Map<_, _> = self.errors.iter().map(|(node, error)| (name(node), error.clone())).collect();
            remembered.insert("errors".to_owned(), errors.into());
        }
        if !self.failed.is_empty() {
            let name = |node: &u32| self.graph.node(*node).name.to_string();
            let failed: Map<_, _> = self.failed.iter().map(|(node, attempt)| (name(node), json!(attempt))).collect();
            remembered.insert("failed".to_owned(), failed.into());
        }
        if remembered.is_empty() { Value::Null } else { remembered.into() }
    }

    fn remember(&mut self, remembered: &Value) -> Result<(), NodeError> {
        let part = |key: &str| remembered.get(key).and_then(Value::as_object).into_iter().flatten();
        for (join, needs) in part("arrivals") {
            for need in needs.as_array().into_iter().flatten().filter_map(Value::as_str) {
                let feed = feed(self.graph, join, need)?;
                self.arrivals.arrive(&self.graph.joins, feed);
            }
        }
        for (node, error) in part("errors") {
            self.errors.push((find(self.graph, node)?, error.clone()));
        }
        self.errors.sort_by_key(|(node, _)| *node);
        for (node, attempt) in part("failed") {
            let attempt = attempt.as_u64().and_then(|attempt| attempt.try_into().ok()).unwrap_or_default();
            self.failed.push((find(self.graph, node)?, attempt));
        }
        Ok(())
    }
}

fn pending(node: String, end: &NodeEnd) -> Option<PendingWrite> {
    match end {
        NodeEnd::Updated(update) => Some(PendingWrite::new(node, update.clone())),
        NodeEnd::Handled(error) => {
            let mut write = PendingWrite::new(node, StateData::new());
            write.error = Some((**error).clone());
            Some(write)
        }
        NodeEnd::Failed { .. } => None,
    }
}

fn feed(graph: &CompiledGraph, join: &str, need: &str) -> Result<Feed, NodeError> {
    let need_index = find(graph, need)?;
    let join_index = graph.node(find(graph, join)?).join;
    let feed = graph.node(need_index).feeds.iter().find(|feed| Some(feed.join) == join_index);
    feed.copied().ok_or_else(|| mismatch(&format!("says that `{join}` needs `{need}`")))
}

fn find(graph: &CompiledGraph, name: &str) -> Result<u32, NodeError> {
    graph.index_of(name).ok_or_else(|| mismatch(&format!("names node `{name}`")))
}

fn mismatch(what: &str) -> NodeError {
    NodeError::permanent("checkpoint_mismatch", format!("the checkpoint is not of this flow: it {what}"))
}
