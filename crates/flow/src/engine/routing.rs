//! Which nodes follow a superstep.

use batchmill_core::{AttemptFailure, JobError, NodeError, NodeFailure};
use serde_json::Value;

use super::{
    Execution, StepContext,
    execution::{NodeEnd, error_of},
};
use crate::{
    expr::Vars,
    graph::{CompiledArm, CompiledNode, CompiledOnError},
};

impl Execution<'_> {
    /// Replaces the ready nodes by those that follow them. On failure the state is merged and the run cannot go on.
    pub(super) fn route(&mut self, ends: &[NodeEnd], context: &StepContext<'_>) -> Result<(), Box<AttemptFailure>> {
        let mut failures = Vec::new();
        let mut next = std::mem::take(&mut self.spare_ready);
        let (mut errors, errors_here) = (Vec::new(), std::mem::take(&mut self.errors));
        let mut ready = std::mem::take(&mut self.ready);
        for (node, end) in ready.drain(..).zip(ends) {
            let compiled = self.graph.node(node);
            if let (NodeEnd::Handled(error), CompiledOnError::Goto(target)) = (end, compiled.on_error) {
                errors.extend(target.map(|target| (target, as_value(error))));
                next.extend(target);
                continue;
            }
            next.extend_from_slice(&compiled.after);
            for feed in &compiled.feeds {
                self.arrivals.arrive(&self.graph.joins, *feed);
            }
            if let Some(arms) = &compiled.arms {
                match self.choose(compiled, arms, &context.vars(error_of(&errors_here, node))) {
                    Ok(target) => next.extend(target),
                    Err(error) => {
                        failures.push(NodeFailure::at_node(compiled.name.clone(), error, compiled.retry, false));
                    }
                }
            }
        }
        if let Some(failure) = AttemptFailure::of(failures) {
            return Err(Box::new(failure));
        }
        if next.len() > 1 {
            next.sort_unstable();
            next.dedup();
        }
        if !self.arrivals.is_empty() {
            self.arrivals.release(&self.graph.joins, &mut next);
        }
        (self.ready, self.spare_ready) = (next, ready);
        self.errors = first_of_each(errors);
        Ok(())
    }

    /// The target of the first arm that matches the merged state.
    fn choose(&self, node: &CompiledNode, arms: &[CompiledArm], vars: &Vars<'_>) -> Result<Option<u32>, NodeError> {
        for arm in arms {
            let matches = match &arm.when {
                None => true,
                Some(condition) => condition.holds(&self.state, vars)?,
            };
            if matches {
                return Ok(arm.to);
            }
        }
        let message = format!("no arm of `next` of node `{}` matched; add one without `when`", node.name);
        Err(NodeError::permanent("no_branch", message))
    }
}

/// `$error` as expressions see it: the error of a result.
fn as_value(error: &JobError) -> Value {
    serde_json::to_value(error).unwrap_or_else(|_| Value::String(error.message.clone()))
}

/// Several failures may lead to one node in one superstep: it sees the first in declaration order.
fn first_of_each(mut errors: Vec<(u32, Value)>) -> Vec<(u32, Value)> {
    // Keeps those of one node in their order.
    errors.sort_by_key(|(node, _)| *node);
    errors.dedup_by_key(|(node, _)| *node);
    errors
}
