//! `limits set KEY=VALUE`, as the host understands it.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    thread,
};

use batchmill_config::Concurrency;
use batchmill_core::Rate;
use batchmill_executor::{LimitChange, LimitSettings, Mill, WeightRefused, Workload};

/// What was changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) before: Option<String>,
    pub(super) now: String,
}

/// What a key names.
#[derive(Debug, PartialEq)]
enum Target<'a> {
    /// How many attempts run at once.
    Executor,
    Concurrency(&'a str),
    Rate(&'a str),
    /// Of a share.
    Weight(&'a str),
}

/// Changes what `key` names, or says why not.
pub(super) fn set<W: Workload>(mill: &Mill<W>, key: &str, value: &str) -> Result<Set, String> {
    let limits = mill.limits();
    let named = |name: &str| {
        let found = limits.iter().map(|limit| &limit.settings).find(|limit| limit.name == name);
        found.ok_or_else(|| unknown(name, limits.iter().map(|limit| &limit.settings)))
    };
    let target = target(key)?;
    if let Some(limit) = limits.iter().map(|limit| &limit.settings.name).find(|name| is_either(key, name)) {
        let (_, of_limit) = key.rsplit_once('.').unwrap_or_default();
        return Err(format!(
            "`{key}` may be of a share or of the limit `{limit}`: say `scheduler.options.{key}` or \
             `limits.{limit}.{of_limit}`"
        ));
    }
    match target {
        Target::Executor => {
            let concurrency: Concurrency = value.parse().map_err(|error| format!("{key}: {error}"))?;
            let cpus = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
            let limit = NonZeroU32::try_from(concurrency.on(cpus)).unwrap_or(NonZeroU32::MAX);
            let before = mill.totals().limit.to_string();
            mill.set_concurrency(limit);
            Ok(Set { before: Some(before), now: limit.to_string() })
        }
        Target::Concurrency(name) => {
            let before = named(name)?.concurrency.map(|most| most.to_string());
            let most = value.parse().map_err(|_| format!("{key}: must be a whole number from 1, found `{value}`"))?;
            mill.set_limit(name, LimitChange::Concurrency(most));
            Ok(Set { before, now: most.to_string() })
        }
        Target::Rate(name) => {
            let before = named(name)?.rate.map(|rate| rate.rate.to_string());
            let rate: Rate = value.parse().map_err(|error| format!("{key}: {error}"))?;
            mill.set_limit(name, LimitChange::Rate(rate));
            Ok(Set { before, now: rate.to_string() })
        }
        Target::Weight(share) => {
            let weight: f64 = value.parse().map_err(|_| format!("{key}: must be a number, found `{value}`"))?;
            let before = mill.set_weight(share, weight).map_err(|refused| weight_refused(key, &refused))?;
            Ok(Set { before: Some(before.to_string()), now: weight.to_string() })
        }
    }
}

/// Whether a key that names a weight names a limit as well.
fn is_either(key: &str, limit: &str) -> bool {
    key.starts_with("weights.")
        && key.rsplit_once('.').is_some_and(|(name, what)| name == limit && matches!(what, "concurrency" | "rate"))
}

fn weight_refused(key: &str, refused: &WeightRefused) -> String {
    match refused {
        WeightRefused::NoShares => {
            format!("{key}: {refused}; `fair-share` does (scheduler.kind, from the next run or resume on)")
        }
        _ => format!("{key}: {refused}"),
    }
}

fn target(key: &str) -> Result<Target<'_>, String> {
    if matches!(key, "concurrency" | "executor.concurrency") {
        return Ok(Target::Executor);
    }
    let weight = key.strip_prefix("scheduler.options.").unwrap_or(key).strip_prefix("weights.");
    if let Some(share) = weight.filter(|share| !share.is_empty()) {
        return Ok(Target::Weight(share));
    }
    match key.strip_prefix("limits.").unwrap_or(key).rsplit_once('.') {
        Some((name, "concurrency")) => Ok(Target::Concurrency(name)),
        Some((name, "rate")) => Ok(Target::Rate(name)),
        _ => Err(format!(
            "`{key}` is nothing that can be set: concurrency, NAME.concurrency and NAME.rate of a limit, weights.SHARE"
        )),
    }
}

fn unknown<'a>(name: &str, limits: impl Iterator<Item = &'a LimitSettings>) -> String {
    let known: Vec<String> = limits.map(|limit| format!("`{}`", limit.name)).collect();
    if known.is_empty() {
        return format!("there is no limit `{name}`: this batch runs without limits");
    }
    format!("there is no limit `{name}`; there are: {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_may_be_of_a_share_or_of_a_limit_is_neither() {
        assert!(is_either("weights.rate", "weights") && is_either("weights.a.concurrency", "weights.a"));
        for (key, limit) in [("weights.rate", "rate"), ("limits.weights.rate", "weights"), ("weights.a", "weights")] {
            assert!(!is_either(key, limit), "{key}, {limit}");
        }
    }

    #[test]
    fn a_key_names_a_limit_and_what_of_it() {
        for (key, expected) in [
            ("concurrency", Target::Executor),
            ("executor.concurrency", Target::Executor),
            ("tenant.concurrency", Target::Concurrency("tenant")),
            ("limits.input.host.rate", Target::Rate("input.host")),
            ("limits.weights.rate", Target::Rate("weights")),
            ("weights.research/alice", Target::Weight("research/alice")),
            ("weights.a.concurrency", Target::Weight("a.concurrency")),
            ("scheduler.options.weights.b", Target::Weight("b")),
        ] {
            assert_eq!(target(key), Ok(expected), "{key}");
        }
        for key in ["rate", "tenant", "tenant.breaker", "", "tenant.", "weights", "weights."] {
            assert!(target(key).unwrap_err().contains("is nothing that can be set"), "{key}");
        }
    }
}
