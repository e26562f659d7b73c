//! The limits of jobs with one key, as their words say: who runs, who started when, who failed. No bucket, no queue.

use std::{collections::BTreeMap, time::Duration};

use batchmill_core::{ErrorClass, LimitKeys, MonoTime, Outcome, Rate};
use batchmill_dispatch::{LimitChange, LimitSettings};

/// The limits, and what happened under each key.
#[derive(Debug, Default)]
pub(crate) struct PlainLimits {
    list: Vec<PlainLimit>,
    keys: BTreeMap<(usize, Option<String>), PlainKey>,
}

#[derive(Debug)]
struct PlainLimit {
    settings: LimitSettings,
    /// Since when which rate holds.
    rates: Vec<(MonoTime, Rate)>,
}

#[derive(Debug, Default)]
struct PlainKey {
    running: u32,
    starts: Vec<MonoTime>,
    failures: u32,
    opened: Option<MonoTime>,
    /// Since when, how many run, how many succeeded.
    probing: Option<(MonoTime, u32, u32)>,
    paused: MonoTime,
}

/// Why a key lets nothing start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum No {
    /// Until an attempt ends.
    Event,
    /// Until this moment.
    Until(MonoTime),
}

impl PlainLimits {
    pub(crate) fn new(list: Vec<LimitSettings>) -> Self {
        let limit = |settings: LimitSettings| {
            let rates = settings.rate.iter().map(|rate| (MonoTime::ZERO, rate.rate)).collect();
            PlainLimit { settings, rates }
        };
        Self { list: list.into_iter().map(limit).collect(), keys: BTreeMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    fn of<'a>(&'a self, keys: &'a LimitKeys) -> impl Iterator<Item = (usize, Option<String>)> + 'a {
        let shared =
            (0..self.list.len()).filter(|place| !self.list[*place].settings.has_key).map(|place| (place, None));
        let own = keys.iter().map(|own| (usize::from(own.limit.0), own.key.as_ref().map(ToString::to_string)));
        shared.chain(own)
    }

    /// Everything that says no.
    pub(super) fn nos(&self, keys: &LimitKeys, now: MonoTime) -> Vec<No> {
        let none = PlainKey::default();
        self.of(keys).flat_map(|id| self.list[id.0].nos(self.keys.get(&id).unwrap_or(&none), now)).collect()
    }

    pub(super) fn start(&mut self, keys: &LimitKeys, now: MonoTime) {
        for id in self.of(keys).collect::<Vec<_>>() {
            let key = self.keys.entry(id).or_default();
            key.running += 1;
            key.starts.push(now);
            match (&mut key.probing, key.opened) {
                (Some((_, trying, _)), _) => *trying += 1,
                (None, Some(_)) => (key.probing, key.opened) = (Some((now, 1, 0)), None),
                (None, None) => {}
            }
        }
    }

    pub(super) fn asked_to_wait(&mut self, keys: &LimitKeys, outcome: &Outcome, now: MonoTime) {
        let Outcome::Failed(failure) = outcome else { return };
        let Some(delay) = failure.iter().filter_map(|failed| failed.error.retry_after).max() else { return };
        for id in self.of(keys).collect::<Vec<_>>() {
            if self.list[id.0].settings.pauses {
                let key = self.keys.entry(id).or_default();
                key.paused = key.paused.max(now + delay);
            }
        }
    }

    /// `None` for an end that says nothing.
    pub(super) fn ended(&mut self, keys: &LimitKeys, started: MonoTime, end: Option<&Outcome>, now: MonoTime) {
        for id in self.of(keys).collect::<Vec<_>>() {
            let (place, key) = (id.0, self.keys.entry(id).or_default());
            key.running -= 1;
            let Some(breaker) = &self.list[place].settings.breaker else { continue };
            let counts = |class: &ErrorClass| breaker.on.contains(class);
            let (good, bad) = match end {
                Some(Outcome::Succeeded) => (true, false),
                Some(Outcome::Failed(failure)) => (false, failure.iter().any(|failed| counts(&failed.error.class))),
                _ => (false, false),
            };
            match &mut key.probing {
                Some((since, ..)) if started < *since => {}
                Some(_) if bad => (key.probing, key.opened) = (None, Some(now + breaker.cooldown)),
                Some((_, trying, succeeded)) => {
                    *trying -= 1;
                    *succeeded += u32::from(good);
                    if *succeeded == breaker.probes.get() {
                        (key.probing, key.failures) = (None, 0);
                    }
                }
                None if key.opened.is_some() => {}
                None if good => key.failures = 0,
                None if bad => {
                    key.failures += 1;
                    if key.failures >= breaker.failures.get() {
                        key.opened = Some(now + breaker.cooldown);
                    }
                }
                None => {}
            }
        }
    }

    pub(super) fn changed(&mut self, limit: usize, change: LimitChange, now: MonoTime) {
        let Some(limit) = self.list.get_mut(limit) else { return };
        match change {
            LimitChange::Concurrency(most) => limit.settings.concurrency = Some(most),
            LimitChange::Rate(rate) => limit.rates.push((now, rate)),
            _ => unreachable!("a change that the model does not know"),
        }
    }
}

impl PlainLimit {
    fn nos(&self, key: &PlainKey, now: MonoTime) -> Vec<No> {
        let mut nos = Vec::new();
        let Self { settings, .. } = self;
        if settings.concurrency.is_some_and(|most| key.running >= most.get()) {
            nos.push(No::Event);
        }
        if now < key.paused {
            nos.push(No::Until(key.paused));
        }
        if let Some(until) = key.opened.filter(|until| now < *until) {
            nos.push(No::Until(until));
        }
        if let (Some((_, trying, succeeded)), Some(breaker)) = (key.probing, &settings.breaker)
            && trying + succeeded >= breaker.probes.get()
        {
            nos.push(No::Event);
        }
        if let Some(rate) = settings.rate {
            let waits = (0..key.starts.len()).map(|first| self.wait(key, first, rate.burst.get(), now)).max();
            nos.extend(waits.filter(|wait| !wait.is_zero()).map(|wait| No::Until(now + wait)));
        }
        nos
    }

    /// In any span, never more than the burst and what the rate brings in it: how long one more must wait for the span that
    /// begins with this start.
    fn wait(&self, key: &PlainKey, first: usize, burst: u32, now: MonoTime) -> Duration {
        let per = self.rates[0].1.per().as_nanos();
        let (since, many) = (key.starts[first], key.starts.len() - first + 1);
        let needed = (many as u128).saturating_sub(u128::from(burst)) * per;
        let ends = self.rates.iter().skip(1).map(|(until, _)| *until).chain([now]);
        let brought: u128 = self
            .rates
            .iter()
            .zip(ends)
            .map(|((from, rate), until)| {
                assert_eq!(rate.per().as_nanos(), per, "the model adds up what comes in one time");
                until.since(since.max(*from)).as_nanos() * u128::from(rate.count().get())
            })
            .sum();
        let count = u128::from(self.rates[self.rates.len() - 1].1.count().get());
        let nanos = needed.saturating_sub(brought).div_ceil(count);
        Duration::from_nanos(u64::try_from(nanos).expect("some milliseconds"))
    }
}
