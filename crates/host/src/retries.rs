//! The retry policies of a batch: the host's, and one for each set of settings that nodes of its flow bring.

use std::sync::Arc;

use batchmill_config::Slot;
use batchmill_core::{BuildContext, BuildError, Problem, RetryPolicy};
use batchmill_plugin::Registry;

use crate::{exit::Exit, problems::Refusal, work::Flow};

/// By `RetryRef`: 0 is the host's, `k + 1` stands for the flow's settings number `k`.
pub(crate) type Policies = Vec<Arc<dyn RetryPolicy>>;

/// Builds all of them by the kind that the host's config names. What a node says goes over what the host says.
pub(crate) fn build(host: &Slot, flow: &Flow, registry: &Registry) -> Result<Policies, Refusal> {
    let bad_config = |key: &str, message: String| Refusal::new(Exit::BadConfig, format!("retry.{key}: {message}"));
    let factory = registry.get::<dyn RetryPolicy>(&host.kind).map_err(|error| bad_config("kind", error.to_string()))?;
    let context = BuildContext::default();
    let policy = factory.build(&host.options, &context).map_err(|error| bad_config("options", error.to_string()))?;
    let budget = policy.budget();
    let mut policies: Policies = vec![policy.into()];
    let mut problems = Vec::new();
    for (number, settings) in flow.graph().retry_settings().iter().enumerate() {
        let mut options = host.options.clone();
        options.extend(settings.clone());
        let found = match factory.build(&options, &context) {
            Ok(policy) if policy.budget() == budget => {
                policies.push(policy.into());
                continue;
            }
            Ok(_) => {
                vec![Problem::new(["budget"], "bounds the batch as a whole: set it in [retry] of the host's config")]
            }
            Err(BuildError::Options(found)) => found,
            Err(other) => vec![Problem::new([""; 0], other.to_string())],
        };
        problems.extend(found.iter().map(|problem| flow.retry_problem(number, problem)));
    }
    if problems.is_empty() { Ok(policies) } else { Err(Refusal { exit: Exit::BadData, problems }) }
}
