//! A service that is down for a minute, ten thousand jobs that ask it, in virtual time.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use batchmill_core::{Draw, ErrorClass, MonoTime, Outcome, RetryPolicy, Usage, Verdict};
use batchmill_dispatch::{BatchSetup, Dispatch, Effect, Event, Lease, NewJob, Settings};
use batchmill_retry_exponential::{Exponential, Options};

use crate::{policies::Scripted, rig, rng::SplitMix64};

const JOBS: u64 = 10_000;
const ATTEMPT: Duration = Duration::from_millis(50);
const OUTAGE: Duration = Duration::from_secs(60);
/// Starts are counted in slots of this length.
const SLOT_MS: u64 = 100;

/// A service that fails while it is down, and whoever asks it.
struct Storm {
    now: MonoTime,
    dispatch: Dispatch,
    rng: SplitMix64,
    ends: BinaryHeap<Reverse<(MonoTime, u32)>>,
    leases: BTreeMap<u32, Lease>,
    alarm: Option<MonoTime>,
    starts: Vec<MonoTime>,
    verdict: Option<Verdict>,
}

impl Storm {
    fn under(retry: impl RetryPolicy + 'static, at_once: u32) -> Self {
        let mut storm = Self {
            now: MonoTime::ZERO,
            dispatch: Dispatch::new(
                Settings::new(NonZeroU32::new(at_once).expect("not 0")),
                Box::new(batchmill_scheduler_fifo::Fifo::new()),
            ),
            rng: SplitMix64::new(7),
            ends: BinaryHeap::new(),
            leases: BTreeMap::new(),
            alarm: None,
            starts: Vec::new(),
            verdict: None,
        };
        let setup = BatchSetup::new(Box::new(Scripted::default()), vec![Arc::new(retry)]);
        let batch = storm.dispatch.open(setup, storm.now);
        let jobs = vec![NewJob::default(); usize::try_from(JOBS).expect("a few")];
        storm.step(Event::JobsAccepted { batch, jobs });
        storm.step(Event::Sealed { batch });
        while storm.verdict.is_none() {
            storm.something_happens();
        }
        storm
    }

    fn something_happens(&mut self) {
        let end = self.ends.peek().map(|Reverse((at, _))| *at);
        let alarm = self.alarm.filter(|alarm| end.is_none_or(|end| *alarm <= end));
        if let Some(alarm) = alarm {
            (self.now, self.alarm) = (self.now.max(alarm), None);
            return self.step(Event::TimerFired);
        }
        let Reverse((at, slot)) = self.ends.pop().expect("a batch that has not ended waits for something");
        self.now = at;
        let is_down = at < MonoTime::ZERO + OUTAGE;
        let outcome = if is_down { rig::failed(ErrorClass::Transient) } else { Outcome::Succeeded };
        let (lease, draw) = (self.leases[&slot], Draw::from_bits(self.rng.bits()));
        self.step(Event::AttemptEnded { lease, outcome, usage: Usage::new(ATTEMPT), draw });
    }

    fn step(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let mut effects = Vec::new();
            self.dispatch.step(self.now, event, &mut effects);
            for effect in effects {
                match effect {
                    Effect::Start(start) => {
                        self.starts.push(self.now);
                        self.leases.insert(start.lease.slot.0, start.lease);
                        self.ends.push(Reverse((self.now + ATTEMPT, start.lease.slot.0)));
                    }
                    Effect::Record(record) => {
                        events.push(Event::Answered { batch: record.batch, jobs: vec![record.index] });
                    }
                    Effect::WakeAt(at) => self.alarm = Some(at),
                    Effect::BatchEnded { verdict, .. } => self.verdict = Some(verdict),
                    _ => {}
                }
            }
        }
    }

    fn starts_in_the_outage(&self) -> u64 {
        self.starts.iter().filter(|start| **start < MonoTime::ZERO + OUTAGE).count() as u64
    }

    /// Starts after the outage: the most in one slot, all of them, and the slots from the first to the last.
    fn slots_after_the_outage(&self) -> (u64, u64, u64) {
        let mut slots: BTreeMap<u64, u64> = BTreeMap::new();
        for start in self.starts.iter().filter(|start| **start >= MonoTime::ZERO + OUTAGE) {
            *slots.entry(start.as_nanos() / (SLOT_MS * 1_000_000)).or_default() += 1;
        }
        let (first, last) = (slots.keys().next().copied(), slots.keys().last().copied());
        let length = last.zip(first).map_or(0, |(last, first)| last - first + 1);
        (slots.values().copied().max().unwrap_or_default(), slots.values().sum(), length)
    }
}

/// The settings that are recommended for such a service: those of the example.
fn recommended() -> Options {
    let text = include_str!("../../../../config/examples/retry-budget.toml");
    let config: toml::Table = toml::from_str(text).expect("an example is TOML");
    assert_eq!(config["retry"]["kind"].as_str(), Some("exponential"));
    config["retry"]["options"].clone().try_into().expect("its options are right")
}

fn policy(options: &Options) -> Exponential {
    Exponential::new(options).expect("good options")
}

#[test]
fn a_minute_of_failures_costs_few_retries_and_ends_without_a_wave() {
    for at_once in [100, 10_000] {
        let storm = Storm::under(policy(&recommended()), at_once);
        assert_eq!(storm.verdict, Some(Verdict::Succeeded), "no job fails for want of a token, nor of attempts");
        let starts = storm.starts_in_the_outage();
        assert!(starts <= JOBS + JOBS / 10 + 100, "{starts} attempts while the service was down");
        let (most, all, slots) = storm.slots_after_the_outage();
        assert!(all >= JOBS, "each job runs once more: {all}");
        assert!(most * slots <= 3 * all, "{most} starts in one of {slots} slots, {all} in all, {at_once} at once");
        let end = storm.now - (MonoTime::ZERO + OUTAGE);
        assert!(end < OUTAGE, "it takes less than the outage took: {end:?}");
    }
}

/// The proof that the test above can fail.
#[test]
fn without_a_budget_a_minute_of_failures_is_a_storm() {
    let mut options = recommended();
    options.budget.burst = 0;
    let storm = Storm::under(policy(&options), 100);
    let starts = storm.starts_in_the_outage();
    assert!(starts > 2 * JOBS, "{starts} attempts while the service was down");
}
