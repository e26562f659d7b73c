//! Values that are right by themselves and contradict each other.
//!
//! They may come from different layers, so they are looked at once the layers are merged.

use std::time::Duration;

use batchmill_plugin::HumanDuration;

use crate::{ConfigProblem, Executor, Loaded, Origin, key};

/// Every contradiction, named by both of its keys.
pub(crate) fn problems(loaded: &Loaded) -> Vec<ConfigProblem> {
    let of_time = drain_beyond_shutdown(loaded).into_iter().chain(attempt_beyond_job(loaded));
    of_time.chain(rungs_out_of_order(loaded)).collect()
}

fn rungs_out_of_order(loaded: &Loaded) -> impl Iterator<Item = ConfigProblem> {
    loaded.config.resources.contradictions().into_iter().map(|(key, message)| {
        let path = ["resources".to_owned(), key.to_owned()];
        ConfigProblem { origin: loaded.origin_of(&path).clone(), key: key::dotted(&path), message }
    })
}

fn drain_beyond_shutdown(loaded: &Loaded) -> Option<ConfigProblem> {
    let Executor { drain_timeout, shutdown_timeout, .. } = &loaded.config.executor;
    let (drain, shutdown): (Duration, Duration) = ((*drain_timeout).into(), (*shutdown_timeout).into());
    let needed = drain.saturating_add(Executor::AFTER_DRAIN);
    (needed > shutdown).then(|| {
        let message = format!(
            "a drain of {} does not fit into `executor.shutdown_timeout` of {}, whose last {} are for stopping, killing and \
             closing: make it at least {}, or the drain shorter",
            HumanDuration::from(drain),
            HumanDuration::from(shutdown),
            HumanDuration::from(Executor::AFTER_DRAIN),
            HumanDuration::from(needed),
        );
        told(loaded, &["executor", "drain_timeout"], &["executor", "shutdown_timeout"], message)
    })
}

/// What is a default is nobody's word: it contradicts nothing.
fn attempt_beyond_job(loaded: &Loaded) -> Option<ConfigProblem> {
    let Executor { timeout, job_timeout, .. } = &loaded.config.executor;
    let job = (*job_timeout)?;
    let path = ["executor".to_owned(), "timeout".to_owned()];
    let place = Some(loaded.origin_of(&path)).filter(|origin| **origin != Origin::Default)?;
    let is_less = timeout.percent().is_none() && job.get() < timeout.at_first();
    is_less.then(|| {
        let message = format!(
            "{job} for all attempts of a job together is less than `executor.timeout` allows one of them, {timeout} ({place})"
        );
        told(loaded, &["executor", "job_timeout"], &["executor", "timeout"], message)
    })
}

/// At the place of `first`, unless that is a default: then at that of `second`.
fn told(loaded: &Loaded, first: &[&str], second: &[&str], message: String) -> ConfigProblem {
    let path = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
    let (first, second) = (path(first), path(second));
    let of_user = |path: &[String]| Some(loaded.origin_of(path).clone()).filter(|origin| *origin != Origin::Default);
    let (path, origin) = match (of_user(&first), of_user(&second)) {
        (None, Some(origin)) => (second, origin),
        (origin, _) => (first, origin.unwrap_or(Origin::Default)),
    };
    ConfigProblem { origin, key: key::dotted(&path), message }
}
