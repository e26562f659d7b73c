//! What a batch is made of: config, flow and jobs, each read and checked, all problems of all three at once.

use std::{env, fs, path::Path};

use batchmill_config::{HostConfig, LoadRequest};
use batchmill_core::{BuildContext, Node, StateData};
use batchmill_flow::{FlowFile, NodeCatalog};
use batchmill_plugin::Registry;

use crate::{
    catalog,
    cli::IntakeArgs,
    intake::{self, Jobs, JsonLines},
    problems::{Refusal, Refusals},
    refusal,
    retries::{self, Policies},
};

/// Checked inputs.
pub(crate) struct Inputs {
    pub(crate) registry: Registry,
    pub(crate) config: HostConfig,
    pub(crate) flow: FlowFile,
    pub(crate) retry: Policies,
    /// `None` if only config and flow were asked for.
    pub(crate) jobs: Option<JsonLines>,
}

/// Reads and checks everything. `refusals` may bring what the caller has found before.
pub(crate) fn read(
    request: &LoadRequest,
    flow: &Path,
    jobs: Option<(&Jobs, &IntakeArgs)>,
    mut refusals: Refusals,
) -> Result<Inputs, Refusal> {
    let registry = catalog::registry();
    let loaded = batchmill_config::load(request, &registry).map_err(|problems| refusal::of_config(&problems));
    let config = refusals.keep(loaded).map(|loaded| loaded.config);
    let flow = refusals.keep(read_flow(flow, &registry));
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

fn read_flow(path: &Path, registry: &Registry) -> Result<FlowFile, Refusal> {
    let name = path.display();
    if path.is_dir() {
        return Err(Refusal::data(format!("{name}: is a directory, not a flow")));
    }
    let bytes = fs::read(path).map_err(|error| intake::cannot_read(path, &error))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        Refusal::data(format!("{name}: not UTF-8 from byte {} on", error.utf8_error().valid_up_to() + 1))
    })?;
    if text.trim().is_empty() {
        return Err(Refusal::data(format!("{name}: is empty; a flow has at least `version: 1` and `nodes`")));
    }
    let directory = env::current_dir().map_err(|error| Refusal::storage(format!("the working directory: {error}")))?;
    let catalog = NodeCatalog::of(registry.all::<dyn Node>().clone(), BuildContext::new(directory));
    FlowFile::parse(&text, &name.to_string(), &catalog).map_err(|problems| refusal::of_flow(&problems))
}

/// Without a flow the lines are checked all the same; only its schema can not be asked.
fn accept(jobs: &Jobs, args: &IntakeArgs, flow: Option<&FlowFile>) -> Result<JsonLines, Refusal> {
    let file = intake::open(jobs)?;
    let accept = |input: StateData| match flow {
        Some(flow) => flow
            .graph()
            .accept_input(input)
            .map(drop)
            .map_err(|problems| problems.0.iter().map(|problem| format!("input: {problem}")).collect()),
        None => Ok(()),
    };
    JsonLines::accept(jobs.name(), file, args.rules(), &accept)
}
