//! Values that are right by themselves and contradict each other.
//!
//! They may come from different layers, so they are looked at once the layers are merged.

use std::time::Duration;

use batchmill_plugin::HumanDuration;

use crate::{ConfigProblem, Executor, Loaded};

/// Every contradiction, named by both of its keys.
pub(crate) fn problems(loaded: &Loaded) -> Vec<ConfigProblem> {
    let of_time = drain_beyond_shutdown(loaded).into_iter().chain(attempt_beyond_job(loaded));
    of_time.chain(rungs_out_of_order(loaded)).collect()
}

fn rungs_out_of_order(loaded: &Loaded) -> impl Iterator<Item = ConfigProblem> {
    let told =
        |(higher, lower, message)| loaded.origins.contradiction(&["resources", higher], &["resources", lower], message);
    loaded.config.resources.contradictions().into_iter().map(told)
}

fn drain_beyond_shutdown(loaded: &Loaded) -> Option<ConfigProblem> {
    let Executor { drain_timeout, shutdown_timeout, .. } = &loaded.config.executor;
    let (drain, shutdown): (Duration, Duration) = ((*drain_timeout).into(), (*shutdown_timeout).into());
    let needed = drain.saturating_add(Executor::AFTER_DRAIN);
    (needed > shutdown).then(|| {
        let message = format!(
            "`executor.drain_timeout` of {} does not fit into `executor.shutdown_timeout` of {}, whose last {} are for stopping, \
             killing and closing: make that at least {}, or the drain shorter",
            HumanDuration::from(drain),
            HumanDuration::from(shutdown),
            HumanDuration::from(Executor::AFTER_DRAIN),
            HumanDuration::from(needed),
        );
        loaded.origins.contradiction(&["executor", "drain_timeout"], &["executor", "shutdown_timeout"], message)
    })
}

/// What is a default is nobody's word: it contradicts nothing.
fn attempt_beyond_job(loaded: &Loaded) -> Option<ConfigProblem> {
    let Executor { timeout, job_timeout, .. } = &loaded.config.executor;
    let job = (*job_timeout)?;
    let place = loaded.origins.given(&["executor", "timeout"])?;
    let is_less = timeout.percent().is_none() && job.get() < timeout.at_first();
    is_less.then(|| {
        let message = format!(
            "{job} for all attempts of a job together is less than `executor.timeout` allows one of them, {timeout} ({place})"
        );
        loaded.origins.contradiction(&["executor", "job_timeout"], &["executor", "timeout"], message)
    })
}
