//! The retry policies of a batch: the executor's, and one for each set of settings that nodes of its graphs bring.

use std::sync::Arc;

use batchmill_core::{BuildContext, BuildError, Options, Problem, RetryBudget, RetryPolicy};
use batchmill_flow::CompiledGraph;
use batchmill_plugin::Registry;
use batchmill_retry_exponential::{Exponential, Options as RetryOptions};

use crate::BatchProblem;

/// What decides where a node says nothing.
pub(crate) enum Fallback {
    Options(RetryOptions),
    Policy(Arc<dyn RetryPolicy>),
}

/// The executor's own policy, and what settings of nodes go over.
pub(crate) struct Retry {
    policy: Arc<dyn RetryPolicy>,
    base: Options,
    /// Of the base: settings of nodes must not change it.
    budget: Option<RetryBudget>,
}

/// Policies by `RetryRef`, and each graph with the number of policies before its own, the executor's not counted.
pub(crate) type Policies = (Vec<Arc<dyn RetryPolicy>>, Vec<(Arc<CompiledGraph>, u16)>);

impl Retry {
    pub(crate) fn new(fallback: Fallback) -> Result<Self, Vec<Problem>> {
        let (policy, options): (Arc<dyn RetryPolicy>, _) = match fallback {
            Fallback::Options(options) => (Arc::new(Exponential::new(&options)?), options),
            Fallback::Policy(policy) => (policy, RetryOptions::default()),
        };
        let budget = options.budget.budget()?;
        let base = serde_json::to_value(options).ok().and_then(|value| value.as_object().cloned());
        Ok(Self { policy, base: base.expect("options are an object with text keys"), budget })
    }

    /// Makes the policies of a batch over `graphs`. What a node says goes over what the executor says.
    pub(crate) fn of(&self, graphs: Vec<Arc<CompiledGraph>>, problems: &mut Vec<BatchProblem>) -> Policies {
        let (mut policies, mut numbered) = (vec![self.policy.clone()], Vec::with_capacity(graphs.len()));
        let mut registry = Registry::default();
        batchmill_retry_exponential::register(&mut registry);
        let factory = registry.get::<dyn RetryPolicy>("exponential").expect("it was registered above");
        for graph in graphs {
            let before = policies.len() - 1;
            for settings in graph.retry_settings() {
                let mut options = self.base.clone();
                options.extend(settings.clone());
                let found = match factory.build(&options, &BuildContext::default()) {
                    Ok(policy) if policy.budget() == self.budget => {
                        policies.push(policy.into());
                        continue;
                    }
                    Ok(_) => vec![Problem::new(["budget"], "bounds the batch as a whole: set it on the executor")],
                    Err(BuildError::Options(found)) => found,
                    Err(other) => vec![Problem::new([""; 0], other.to_string())],
                };
                let below = |problem| BatchProblem::Retry { graph: graph.name().to_owned(), problem };
                problems.extend(found.into_iter().map(below));
            }
            numbered.push((graph, u16::try_from(before).unwrap_or(u16::MAX)));
        }
        if u16::try_from(policies.len() - 1).is_err() {
            problems.push(BatchProblem::TooMany { what: "different retry settings", limit: u16::MAX.into() });
        }
        (policies, numbered)
    }
}
