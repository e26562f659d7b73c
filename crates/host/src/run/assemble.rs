//! From checked inputs to what a mill is started with: every plugin that config names, built.

use std::{
    collections::BTreeMap,
    env,
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
    thread,
};

use batchmill_config::{HostConfig, Limit, Slot};
use batchmill_core::{
    BuildContext, BuildError, Checkpointer, FailureStrategy, Governor, MetricsExporter, ResultSink, Scheduler,
};
use batchmill_executor::{BreakerSettings, LimitSettings, RateSettings};
use batchmill_plugin::{Pluggable, Registry};

use super::delivery::Outlet;
use crate::{
    exit::Exit,
    problems::{Refusal, Refusals},
};

/// The plugins of a run.
pub(super) struct Parts {
    pub(super) scheduler: Box<dyn Scheduler>,
    pub(super) failure: Box<dyn FailureStrategy>,
    pub(super) governor: Box<dyn Governor>,
    /// The sinks of the config; the output of the batch is not among them.
    pub(super) sinks: Vec<Outlet>,
}

/// Builds the exporter and makes it the recorder of this process: before anything is counted.
pub(super) fn metrics(config: &HostConfig, registry: &Registry) -> Result<Option<Arc<dyn MetricsExporter>>, Refusal> {
    let Some(slot) = &config.metrics else { return Ok(None) };
    let exporter: Arc<dyn MetricsExporter> = build::<dyn MetricsExporter>(slot, "metrics", registry)?.into();
    exporter.install().map_err(|error| Refusal::new(Exit::BadConfig, format!("metrics: {error}")))?;
    Ok(Some(exporter))
}

/// Builds what keeps the state of running jobs, where config names something else than the store; it connects later.
pub(super) fn checkpointer(config: &HostConfig, registry: &Registry) -> Result<Option<Arc<dyn Checkpointer>>, Refusal> {
    let slot = config.checkpoints.as_ref();
    slot.map(|slot| build::<dyn Checkpointer>(slot, "checkpoints", registry).map(Into::into)).transpose()
}

/// What decides about jobs.
pub(crate) struct Deciders {
    pub(crate) scheduler: Box<dyn Scheduler>,
    pub(crate) failure: Box<dyn FailureStrategy>,
}

/// Builds what decides; opens nothing.
pub(crate) fn deciders(config: &HostConfig, registry: &Registry) -> Result<Deciders, Refusal> {
    let mut refusals = Refusals::default();
    let scheduler = refusals.keep(build::<dyn Scheduler>(&config.scheduler.slot(), "scheduler", registry));
    let failure = refusals.keep(build::<dyn FailureStrategy>(&config.failure, "failure", registry));
    refusals.into_result()?;
    let (scheduler, failure) = scheduler.zip(failure).expect("a part that is missing was refused");
    Ok(Deciders { scheduler, failure })
}

/// Builds everything else; all that fails is reported. Sinks of a batch that goes on find what they wrote before.
pub(super) fn parts(config: &HostConfig, registry: &Registry, is_resumed: bool) -> Result<Parts, Refusal> {
    let mut refusals = Refusals::default();
    let deciders = refusals.keep(deciders(config, registry));
    let sinks = config.sinks.iter().enumerate().filter_map(|(number, slot)| {
        let section = format!("sinks.{number}");
        let sink = refusals.keep(build_again::<dyn ResultSink>(slot, &section, registry, is_resumed))?;
        Some(Outlet::new(format!("{}-{number}", slot.kind), sink))
    });
    let sinks = sinks.collect();
    let governor = refusals.keep(governor(config, registry));
    refusals.into_result()?;
    let (deciders, governor) = deciders.zip(governor).expect("a part that is missing was refused");
    let Deciders { scheduler, failure } = deciders;
    Ok(Parts { scheduler, failure, governor, sinks })
}

/// Builds the governor.
pub(crate) fn governor(config: &HostConfig, registry: &Registry) -> Result<Box<dyn Governor>, Refusal> {
    build::<dyn Governor>(&config.governor, "governor", registry)
}

fn build<P: ?Sized + Pluggable>(slot: &Slot, section: &str, registry: &Registry) -> Result<Box<P>, Refusal> {
    build_again(slot, section, registry, false)
}

fn build_again<P: ?Sized + Pluggable>(
    slot: &Slot,
    section: &str,
    registry: &Registry,
    is_resumed: bool,
) -> Result<Box<P>, Refusal> {
    let refuse = |message: String| Refusal::new(Exit::BadConfig, format!("{section}: {message}"));
    // Relative paths in options are relative to where the program was started, as those of flags are.
    let directory = env::current_dir().map_err(|error| refuse(format!("the working directory: {error}")))?;
    let factory = registry.get::<P>(&slot.kind).map_err(|error| refuse(error.to_string()))?;
    let mut context = BuildContext::new(directory);
    context.resumes = is_resumed;
    factory.build(&slot.options, &context).map_err(|error| match error {
        BuildError::Options(problems) => {
            let lines = problems.iter().map(|problem| format!("{section}.options.{problem}"));
            Refusal::of(Exit::BadConfig, lines)
        }
        other => refuse(other.to_string()),
    })
}

/// How many attempts may run at once on this machine.
pub(crate) fn concurrency(config: &HostConfig) -> NonZeroU32 {
    let cpus = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    config.executor.concurrency.on(cpus).try_into().unwrap_or(NonZeroU32::MAX)
}

/// The limits of jobs with one key.
pub(crate) fn limits(config: &HostConfig) -> Vec<LimitSettings> {
    let of = |(place, limit): (usize, &Limit)| {
        let mut settings = LimitSettings::new(limit.name(place));
        settings.has_key = limit.key.is_some();
        settings.concurrency = limit.concurrency;
        settings.rate = limit.rate.map(|rate| RateSettings::new(rate, limit.bucket()));
        settings.breaker = limit.breaker.as_ref().map(|breaker| {
            let mut settings = BreakerSettings::new(breaker.failures, breaker.cooldown.get());
            settings.probes = breaker.probes;
            settings.on.clone_from(&breaker.on);
            settings
        });
        settings.pauses = limit.pauses.unwrap_or(limit.rate.is_some());
        settings
    };
    config.limits.iter().enumerate().map(of).collect()
}

/// What config chose, for the report.
pub(super) fn kinds(config: &HostConfig) -> BTreeMap<&'static str, Vec<String>> {
    let one = |slot: &Slot| vec![slot.kind.clone()];
    BTreeMap::from([
        ("scheduler", vec![config.scheduler.kind.clone()]),
        ("retry", one(&config.retry)),
        ("failure", one(&config.failure)),
        ("governor", one(&config.governor)),
        ("sinks", config.sinks.iter().map(|slot| slot.kind.clone()).collect()),
        ("metrics", config.metrics.iter().map(|slot| slot.kind.clone()).collect()),
    ])
}
