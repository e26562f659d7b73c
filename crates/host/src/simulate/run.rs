//! The batch under one config.

use std::time::Duration;

use batchmill_config::{Resources, Timeout};
use batchmill_core::{JobKeys, MonoTime, WallTime};
use batchmill_dispatch::{BatchSetup, NewJob, Settings};
use batchmill_executor::JobSource;
use batchmill_simulate::{Model, Simulation, play as play_out};

use super::Run;
use crate::{
    inputs::Inputs,
    intake::JsonLines,
    problems::Refusal,
    run::{Deciders, concurrency, deciders, limits},
};

/// What is the same under every config.
pub(super) struct Batch<'a> {
    pub(super) jobs: &'a JsonLines,
    pub(super) model: Model,
    pub(super) begin: WallTime,
    pub(super) deadline: Option<Duration>,
}

/// When the batch is accepted, on the clock of dispatch: late enough for moments before it.
const BEGIN: MonoTime = MonoTime::from_nanos(10 * 365 * 86_400 * 1_000_000_000);

pub(super) fn play(batch: &Batch<'_>, config: String, inputs: &Inputs) -> Result<Run, Refusal> {
    let Deciders { mut scheduler, failure } = deciders(&inputs.config, &inputs.registry)?;
    let charges_memory = scheduler.shares().is_some_and(|shares| shares.charges_memory());
    let executor = &inputs.config.executor;
    let mut setup = BatchSetup::new(failure, inputs.retry.clone());
    setup.timeout = Some(executor.timeout.at_first());
    setup.timeout_percent = executor.timeout.percent();
    setup.queue_timeout = executor.queue_timeout.map(Timeout::get);
    setup.job_timeout = executor.job_timeout.map(Timeout::get);
    setup.crash_limit = executor.crash_limit.get();
    setup.deadline = batch.deadline.map(|deadline| BEGIN + deadline);
    let settings = Settings::new(concurrency(&inputs.config));
    let mut simulation = Simulation::new(scheduler, settings, setup);
    simulation.begin = BEGIN;
    simulation.limits = limits(&inputs.config);
    let mut model = batch.model.clone();
    model.retry = inputs.flow.graph().retry_of_first_node();
    // What config makes of jobs is in those that were read under it.
    let read = inputs.jobs.as_ref().unwrap_or(batch.jobs);
    let jobs = (0..read.len()).map(|index| new_job(batch.begin, read.keys(index))).collect();
    let played = play_out(simulation, jobs, &model);
    if let Some(refusal) = read.broken() {
        return Err(refusal.clone());
    }
    Ok(Run {
        config,
        scheduler: inputs.config.scheduler.kind.clone(),
        played,
        not_played: not_played(inputs, charges_memory),
    })
}

/// What the config says and the simulation leaves out, so that nobody takes it for played: what depends on the machine.
fn not_played(inputs: &Inputs, charges_memory: bool) -> Vec<String> {
    let (resources, defaults) = (&inputs.config.resources, Resources::default());
    let said = [
        ("executor.memory_limit", inputs.config.executor.memory_limit.is_some()),
        // Attempts hold no memory here: all are charged for the same.
        ("scheduler.options.charge", charges_memory),
        ("resources.cpu_max", resources.cpu_max != defaults.cpu_max),
        ("resources.max_load", resources.max_load != defaults.max_load),
        ("resources.max_swap", resources.max_swap != defaults.max_swap),
        ("resources.max_memory_stall", resources.max_memory_stall != defaults.max_memory_stall),
    ];
    said.into_iter().filter(|(_, is_said)| *is_said).map(|(key, _)| key.to_owned()).collect()
}

fn new_job(begin: WallTime, keys: JobKeys) -> NewJob {
    let mut job = NewJob::default();
    (job.priority, job.tenant, job.cost, job.timeout) = (keys.priority, keys.tenant, keys.cost, keys.timeout);
    job.after = keys.after.map(|moment| on_clock(begin, moment));
    job.deadline = keys.deadline.map(|moment| on_clock(begin, moment));
    (job.share, job.limits) = (keys.share, keys.limits);
    job
}

fn on_clock(begin: WallTime, moment: WallTime) -> MonoTime {
    let before = begin.since(moment);
    if before.is_zero() {
        return BEGIN + moment.since(begin);
    }
    MonoTime::from_nanos(BEGIN.as_nanos().saturating_sub(u64::try_from(before.as_nanos()).unwrap_or(u64::MAX)))
}

/// Whether it matters when the batch is accepted.
pub(super) fn has_moments(jobs: &JsonLines) -> bool {
    (0..jobs.len()).map(|index| jobs.keys(index)).any(|keys| keys.after.is_some() || keys.deadline.is_some())
}
