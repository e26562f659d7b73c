//! From config and flow to what dispatch shares out.

use std::{num::NonZeroUsize, thread};

use batchmill_config::{Cpus, HostConfig, MemoryLimit, Resources};
use batchmill_core::Request;
use batchmill_executor::{Ladder, MemoryProbe, Needs, ResourceSettings};
use batchmill_flow::CompiledGraph;

use crate::{exit::Exit, problems::Refusal};

/// The kind of node that starts processes.
const PROCESS: &str = "run";

/// How much there is to share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shared {
    pub(crate) settings: ResourceSettings,
    /// What the host and its children are held against, beside the limits of cgroups.
    pub(crate) memory_limit: Option<u64>,
}

/// Resolves config on this machine, for jobs of a flow. Memory is looked at only where config gives a limit; what a flow
/// declares is held against the machine where it gives none.
pub(crate) fn shared(config: &HostConfig, graph: &CompiledGraph) -> Result<Shared, Refusal> {
    let Resources { kill_limit, reserve_after, max_load, max_swap, max_memory_stall, cpu_max, .. } = &config.resources;
    let limit = config.executor.memory_limit.map(resolve).transpose()?;
    let declares = |what: fn(&Request) -> bool| graph.requests().iter().any(what);
    let mut settings = ResourceSettings::default();
    settings.memory = match limit {
        Some(bytes) => Some(bytes),
        None if declares(|request| request.memory > 0) => Some(capacity("cost.memory")?),
        None => None,
    };
    settings.cpus = u32::try_from(cpus()).unwrap_or(u32::MAX);
    settings.cpu_milli = declares(|request| request.cpu_milli > 0).then(|| cpu_milli(settings.cpus, *cpu_max));
    settings.ladder = limit.map(|_| ladder(&config.resources));
    settings.max_load = max_load.map(|percent| f64::from(percent.get()) / 100.0);
    settings.max_swap = max_swap.map(|bytes| bytes.0 as f64);
    settings.max_stall = max_memory_stall.map(|percent| f64::from(percent.get()));
    settings.reserve_after = (*reserve_after).into();
    settings.kill_limit = kill_limit.get();
    // All there is, is what the kernel counts by itself.
    let memory_limit = limit.filter(|_| config.executor.memory_limit != Some(MemoryLimit::Auto));
    Ok(Shared { settings, memory_limit })
}

/// All CPUs, or what processes get of them.
fn cpu_milli(cpus: u32, cpu_max: Option<Cpus>) -> u32 {
    let all = cpus.saturating_mul(1000);
    cpu_max.map_or(all, |most| all.min((most.get() * 1000.0).round() as u32))
}

/// What the jobs of a flow ask for.
pub(crate) fn needs(graph: &CompiledGraph) -> Needs {
    Needs::new(graph.requests().to_vec(), graph.has_kind(PROCESS))
}

fn ladder(resources: &Resources) -> Ladder {
    Ladder {
        slow: resources.slow_at.get(),
        shrink: resources.shrink_at.get(),
        stop: resources.stop_at.get(),
        kill: resources.kill_at.get(),
    }
}

fn resolve(limit: MemoryLimit) -> Result<u64, Refusal> {
    match limit {
        MemoryLimit::Bytes(bytes) => Ok(bytes),
        part => capacity("executor.memory_limit").map(|capacity| part.of(capacity)),
    }
}

fn capacity(key: &str) -> Result<u64, Refusal> {
    let read = MemoryProbe::default().capacity();
    read.map_err(|why| Refusal::new(Exit::BadConfig, format!("{key}: how much memory there is, is {why}")))
}

fn cpus() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}
