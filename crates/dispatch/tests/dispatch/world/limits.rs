//! Limits of jobs with one key, from a seed.

use std::time::Duration;

use batchmill_core::{Key, LimitId, LimitKey, LimitKeys, Rate};
use batchmill_dispatch::{BreakerSettings, Event, LimitChange, LimitSettings, RateSettings};

use super::{Lie, World};
use crate::{model::PlainLimits, rig::at_least_1, rng::SplitMix64};

/// The limits that jobs of a life have keys of; one more has none.
const KEYED: u16 = 3;

/// Rates in one time, so that what they bring can be added up.
fn rate(rng: &mut SplitMix64) -> Rate {
    Rate::new(rng.pick(&[1, 3, 7, 20]), Duration::from_millis(8)).expect("a good rate")
}

/// How many attempts of a key, starts in a time, failures; and now and then a limit of all jobs.
pub(super) fn some(rng: &mut SplitMix64) -> Vec<LimitSettings> {
    let mut concurrency = LimitSettings::new("concurrency");
    concurrency.concurrency = Some(at_least_1(1 + rng.small(3)));
    let mut starts = LimitSettings::new("rate");
    starts.rate = Some(RateSettings::new(rate(rng), at_least_1(1 + rng.small(3))));
    starts.pauses = rng.one_in(2);
    let mut breaker = LimitSettings::new("breaker");
    let mut settings = BreakerSettings::new(at_least_1(1 + rng.small(3)), Duration::from_micros(1 + rng.below(9_000)));
    settings.probes = at_least_1(1 + rng.small(2));
    breaker.breaker = Some(settings);
    breaker.concurrency = rng.one_in(2).then(|| at_least_1(1 + rng.small(4)));
    let mut limits = vec![concurrency, starts, breaker];
    if rng.one_in(3) {
        let mut all = LimitSettings::new("all");
        all.has_key = false;
        if rng.one_in(2) {
            all.concurrency = Some(at_least_1(1 + rng.small(4)));
        } else {
            all.rate = Some(RateSettings::new(rate(rng), at_least_1(2)));
        }
        limits.push(all);
    }
    limits
}

/// The keys of a job: under each limit one of a few, or none.
pub(super) fn keys(rng: &mut SplitMix64) -> LimitKeys {
    let mut keys = Vec::new();
    for limit in 0..KEYED {
        let name = rng.pick(&["", "x", "y", "z"]);
        if !name.is_empty() {
            keys.push(LimitKey { limit: LimitId(limit), key: Some(Key::new(name).expect("a name")), units: 1 });
        }
    }
    keys.into_iter().collect()
}

impl World {
    /// A person changes a limit.
    pub(super) fn change_a_limit(&mut self) -> Result<(), String> {
        let Some(rng) = &mut self.limited else { return Ok(()) };
        let (limit, change) = match rng.below(2) {
            0 => (0, LimitChange::Concurrency(at_least_1(1 + rng.small(4)))),
            _ => (1, LimitChange::Rate(rate(rng))),
        };
        self.step(Event::LimitSet { limit: LimitId(limit), change })
    }

    /// Tells the model other limits than dispatch has.
    pub(crate) fn lie_about_limits(&mut self, lie: Lie) {
        let mut limits = self.limits.clone();
        for limit in &mut limits {
            if lie == Lie::Concurrency {
                limit.concurrency = limit.concurrency.map(|most| most.saturating_add(1));
            }
            if lie == Lie::Rate
                && let Some(rate) = &mut limit.rate
            {
                rate.rate = Rate::new(1, Duration::from_millis(8)).expect("a good rate");
            }
        }
        self.model.limits = PlainLimits::new(limits);
    }
}
