//! What a batch is made of: config, flow and jobs, each read and checked, all problems of all three at once.

use std::{path::Path, sync::Arc};

use batchmill_config::{AttemptTimeout, HostConfig, LoadRequest, Origins};
use batchmill_core::{ControlGroup, StateData, format_duration};
use batchmill_plugin::Registry;

use crate::{
    contradictions,
    dynamic::{self, Loaded},
    intake::{self, Jobs, JsonLines, Keys, Rules},
    problems::{Refusal, Refusals},
    refusal,
    retries::{self, Policies},
    run::assemble,
    work::{Flow, Nodes, Processes, Work},
};

/// Checked inputs.
pub(crate) struct Inputs {
    pub(crate) registry: Registry,
    /// The plugins that came from dynamic libraries.
    pub(crate) libraries: Loaded,
    pub(crate) config: HostConfig,
    /// Who gave it.
    pub(crate) origins: Origins,
    pub(crate) flow: Flow,
    /// Where its processes belong; nobody has made the group yet.
    pub(crate) group: ControlGroup,
    pub(crate) retry: Policies,
    /// `None` if only config and flow were asked for.
    pub(crate) jobs: Option<JsonLines>,
    /// What config wants to know of jobs.
    pub(crate) keys: Option<Arc<Keys>>,
}

/// Reads and checks everything. `refusals` may bring what the caller has found before.
pub(crate) fn read(
    request: &LoadRequest,
    work: &Work,
    nodes: Nodes,
    jobs: Option<(&Jobs, Rules)>,
    mut refusals: Refusals,
) -> Result<Inputs, Refusal> {
    let known = refusals.keep(dynamic::registry(request));
    // What the libraries bring is not known: what else is said about kinds would not be true.
    let Some((registry, libraries)) = known else {
        refusals.into_result()?;
        unreachable!("what is missing was refused");
    };
    let loaded = batchmill_config::load(request, &registry).map_err(|problems| refusal::of_config(&problems));
    let (config, origins) = refusals.keep(loaded).map(|loaded| (work.config(&loaded), loaded.origins)).unzip();
    let nice = config.as_ref().map_or(0, |config| config.resources.nice.get());
    let processes = Processes { nice, ..Processes::default() };
    let compiled = work.compile(&registry, &processes, nodes);
    let swapped = compiled.as_ref().err().and_then(|_| swapped(work, jobs.as_ref().map(|(jobs, _)| *jobs)));
    let (flow, jobs) = match swapped {
        // What else is wrong with them is only that each is not the other.
        Some(swapped) => (refusals.keep(Err(swapped)), None),
        None => (refusals.keep(compiled), jobs),
    };
    if let (Some(config), Some(origins)) = (&config, &origins) {
        let governor = assemble::governor(config, &registry);
        refusals.keep(governor.and_then(|governor| contradictions::governor(config, origins, &*governor)));
    }
    if let (Some(config), Some(flow)) = (&config, &flow) {
        tell_vain_limits(config, flow);
    }
    let retry = config
        .as_ref()
        .zip(flow.as_ref())
        .and_then(|(config, flow)| refusals.keep(retries::build(&config.retry, flow, &registry)));
    // What config makes of jobs is asked only where both are right.
    let keys = config.as_ref().zip(flow.as_ref()).and_then(|(config, flow)| Keys::of(config, flow.graph().name()));
    let keys = keys.map(Arc::new);
    let jobs = jobs.and_then(|(jobs, rules)| {
        let queue_limit = config.as_ref().and_then(|config| config.executor.queue_limit);
        let rules = Rules { keys: keys.clone(), queue_limit, ..rules };
        refusals.keep(accept(jobs, rules, flow.as_ref()))
    });
    refusals.into_result()?;
    match (config.zip(origins), flow, retry) {
        (Some((config, origins)), Some(flow), Some(retry)) => {
            Ok(Inputs { registry, libraries, config, origins, flow, group: processes.group, retry, jobs, keys })
        }
        _ => unreachable!("what is missing was refused"),
    }
}

/// A node whose time is longer than that of an attempt has it in vain, but for jobs that have more time of their own.
fn tell_vain_limits(config: &HostConfig, flow: &Flow) {
    let AttemptTimeout::Plain(limit) = config.executor.timeout else { return };
    for node in flow.graph().outline().nodes {
        if let Some(own) = node.timeout.filter(|own| *own > limit.get()) {
            let own = format_duration(own);
            tracing::warn!(
                node = node.name,
                "its timeout of {own} is longer than an attempt may take, executor.timeout = {limit}"
            );
        }
    }
}

/// The mistake of naming the jobs before the flow, as far as the names tell.
fn swapped(work: &Work, jobs: Option<&Jobs>) -> Option<Refusal> {
    let Work::Flow(flow) = work else { return None };
    let ends = |path: &Path, names: &[&str]| path.extension().is_some_and(|end| names.iter().any(|name| end == *name));
    let yaml = ["yaml", "yml"];
    let jobs_last = match jobs {
        Some(Jobs::File(file)) if ends(file, &yaml) && !ends(flow, &yaml) => Some(file),
        _ => None,
    };
    let flow_is_jobs = !matches!(Jobs::of(flow), Jobs::File(_)) || ends(flow, &["jsonl", "ndjson", "csv", "tsv"]);
    if !flow_is_jobs && jobs_last.is_none() {
        return None;
    }
    let jobs_last = jobs_last.map(|file| format!(", and {} where the jobs do", file.display())).unwrap_or_default();
    let flow = flow.display();
    Some(Refusal::data(format!("{flow} stands where the flow belongs{jobs_last}: the order is FLOW, then JOBS")))
}

/// Without a flow the lines are checked all the same; only its schema can not be asked.
fn accept(jobs: &Jobs, rules: Rules, flow: Option<&Flow>) -> Result<JsonLines, Refusal> {
    let accept = |input: StateData| match flow {
        Some(flow) => flow
            .graph()
            .accept_input(input)
            .map(drop)
            .map_err(|problems| problems.0.iter().map(|problem| format!("input: {problem}")).collect()),
        None => Ok(()),
    };
    intake::accept(jobs, rules, &accept)
}
