//! What a batch is made of: config, flow and jobs, each read and checked, all problems of all three at once.

use batchmill_config::{HostConfig, LoadRequest};
use batchmill_core::StateData;
use batchmill_plugin::Registry;

use crate::{
    catalog,
    cli::IntakeArgs,
    intake::{self, Jobs, JsonLines},
    problems::{Refusal, Refusals},
    refusal,
    retries::{self, Policies},
    work::{Flow, Work},
};

/// Checked inputs.
pub(crate) struct Inputs {
    pub(crate) registry: Registry,
    pub(crate) config: HostConfig,
    pub(crate) flow: Flow,
    pub(crate) retry: Policies,
    /// `None` if only config and flow were asked for.
    pub(crate) jobs: Option<JsonLines>,
}

/// Reads and checks everything. `refusals` may bring what the caller has found before.
pub(crate) fn read(
    request: &LoadRequest,
    work: &Work,
    jobs: Option<(&Jobs, &IntakeArgs)>,
    mut refusals: Refusals,
) -> Result<Inputs, Refusal> {
    let registry = catalog::registry();
    let loaded = batchmill_config::load(request, &registry).map_err(|problems| refusal::of_config(&problems));
    let config = refusals.keep(loaded).map(|loaded| work.config(loaded));
    let flow = refusals.keep(work.compile(&registry));
    let retry = config
        .as_ref()
        .zip(flow.as_ref())
        .and_then(|(config, flow)| refusals.keep(retries::build(&config.retry, flow, &registry)));
    let jobs = jobs.and_then(|(jobs, intake)| refusals.keep(accept(jobs, intake, flow.as_ref())));
    refusals.into_result()?;
    match (config, flow, retry) {
        (Some(config), Some(flow), Some(retry)) => Ok(Inputs { registry, config, flow, retry, jobs }),
        _ => unreachable!("what is missing was refused"),
    }
}

/// Without a flow the lines are checked all the same; only its schema can not be asked.
fn accept(jobs: &Jobs, args: &IntakeArgs, flow: Option<&Flow>) -> Result<JsonLines, Refusal> {
    let accept = |input: StateData| match flow {
        Some(flow) => flow
            .graph()
            .accept_input(input)
            .map(drop)
            .map_err(|problems| problems.0.iter().map(|problem| format!("input: {problem}")).collect()),
        None => Ok(()),
    };
    intake::accept(jobs, args.rules(), &accept)
}
