//! Nodes whose retries are used up and whose flow goes on without them.

use batchmill_core::{GivenUp, JobError, NodeError};

use super::{Execution, execution::NodeEnd};
use crate::graph::CompiledOnError;

impl Execution<'_> {
    /// Each of `nodes` counts as failed for good at its first visit.
    pub(super) fn give_up_at_first_visit(&mut self, nodes: &[GivenUp]) {
        for given_up in nodes {
            // A node that a changed flow no longer has needs no handling any more.
            if let Some(node) = self.graph.index_of(&given_up.node) {
                self.given_up.push((node, given_up.error.clone()));
            }
        }
    }

    /// Those of `nodes` whose failure is that of the superstep that runs next count as failed for good. Whether there are
    /// any: the others were given up in a superstep that has completed.
    pub(super) fn give_up_failed(&mut self, nodes: &[GivenUp]) -> bool {
        for given_up in nodes {
            let is_it = |(node, attempt): &(u32, u32)| {
                *self.graph.node(*node).name == *given_up.node && *attempt == given_up.attempt
            };
            if let Some(place) = self.failed.iter().position(is_it) {
                let (node, _) = self.failed.swap_remove(place);
                self.given_up.push((node, given_up.error.clone()));
            }
        }
        let any = !self.given_up.is_empty();
        self.apply_given_up();
        any
    }

    /// Nodes that are visited now and whose retries are used up count as failed.
    pub(super) fn apply_given_up(&mut self) {
        for i in (0..self.given_up.len()).rev() {
            let node = self.given_up[i].0;
            if self.ready.binary_search(&node).is_err() || self.known.iter().any(|(known, _)| *known == node) {
                continue;
            }
            let (_, error) = self.given_up.swap_remove(i);
            self.known.push((node, self.end_of_given_up(node, error)));
        }
    }

    fn end_of_given_up(&self, node: u32, error: JobError) -> NodeEnd {
        if self.graph.node(node).on_error != CompiledOnError::Fail {
            return NodeEnd::Handled(Box::new(error));
        }
        let mut node_error = NodeError::new(error.class, error.code, error.message);
        node_error.retry_after = error.retry_after;
        node_error.output = error.output;
        NodeEnd::Failed { error: Box::new(node_error), by_flow: true }
    }
}
