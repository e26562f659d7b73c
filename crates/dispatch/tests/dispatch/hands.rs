//! Ends that come together, as a body hands them over, lead to what they lead to when they come one by one.

use std::{num::NonZeroU64, time::Duration};

use batchmill_core::{
    Directive, Draw, ErrorClass, Key, LimitId, LimitKey, MonoTime, Outcome, Priority, Scheduler, StopReason, Usage,
};
use batchmill_dispatch::{BatchKey, Dispatch, Effect, Event, Lease, LimitSettings, NewJob, Record, Short, Start, Turn};
use batchmill_scheduler_fair_share::FairShare;
use batchmill_scheduler_fifo::Fifo;
use batchmill_scheduler_priority::PriorityScheduler;

use crate::{
    policies::Scripted,
    rig::{at_least_1, failed, settings, setup_with},
    rng::SplitMix64,
};

const LIVES: u64 = 3_000;
const ROUNDS: u32 = 60;
/// Not at the first moment of all: what is given back goes to the moment before.
const BEGIN: MonoTime = MonoTime::from_nanos(1);

/// A dispatch, and what runs under it.
struct Side {
    dispatch: Dispatch,
    running: Vec<Start>,
    records: Vec<Record>,
    /// Hands of at least two ends that were decided the short way to their last.
    whole_hands: u32,
    /// Ends that were found not to be plain behind ones that were.
    broken_off: u32,
}

/// How an attempt ends, and when.
struct End {
    lease: Lease,
    outcome: Outcome,
    usage: Usage,
    at: MonoTime,
}

impl End {
    fn event(&self) -> Event {
        let (lease, outcome, usage) = (self.lease, self.outcome.clone(), self.usage);
        Event::AttemptEnded { lease, outcome, usage, draw: Draw::from_bits(0) }
    }

    fn has_succeeded(&self) -> bool {
        matches!(self.outcome, Outcome::Succeeded)
    }
}

impl Side {
    /// Tells one event.
    fn step(&mut self, now: MonoTime, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.dispatch.step(now, event, &mut effects);
        self.note(&effects);
        effects
    }

    fn note(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Start(start) => self.running.push(start.clone()),
                Effect::Record(record) => self.records.push(record.clone()),
                _ => {}
            }
        }
    }

    fn take_running(&mut self, lease: Lease) -> Start {
        let place = self.running.iter().position(|start| start.lease == lease).expect("it runs");
        self.running.remove(place)
    }

    fn one_by_one(&mut self, ends: &[End]) -> Vec<Effect> {
        let mut all = Vec::new();
        for end in ends {
            self.take_running(end.lease);
            all.extend(self.step(end.at, end.event()));
        }
        all
    }

    fn together(&mut self, ends: &[End]) -> Vec<Effect> {
        if ends.len() > 1 && self.dispatch.picks_ahead(ends.iter().all(End::has_succeeded)) {
            self.dispatch.expect_ends(ends.len());
        }
        let mut all = Vec::new();
        let mut rest = ends;
        while let [first, behind @ ..] = rest {
            let taken = self.take_plain(rest, &mut all);
            if taken > 0 {
                self.whole_hands += u32::from(taken == ends.len() && taken > 1);
                rest = &rest[taken..];
                continue;
            }
            self.broken_off += u32::from(rest.len() < ends.len());
            self.take_running(first.lease);
            all.extend(self.step(first.at, first.event()));
            rest = behind;
        }
        self.dispatch.settle();
        assert!(self.dispatch.is_settled());
        all
    }

    /// As many as are plain, from the first on.
    fn take_plain(&mut self, ends: &[End], all: &mut Vec<Effect>) -> usize {
        let succeeded: Vec<&End> = ends.iter().take_while(|end| end.has_succeeded()).collect();
        let mut seats: Vec<(Start, Option<Record>, Short)> = succeeded
            .iter()
            .map(|end| {
                (
                    self.running.iter().find(|start| start.lease == end.lease).cloned().expect("it runs"),
                    None,
                    Short::Untold,
                )
            })
            .collect();
        let mut effects = Vec::new();
        let turns = seats.iter_mut().zip(&succeeded).map(|((start, record, short), end)| Turn {
            at: end.at,
            usage: &end.usage,
            start,
            record,
            short,
        });
        self.dispatch.succeeded(turns, &mut effects);
        let mut taken = 0;
        for (end, (start, record, short)) in succeeded.into_iter().zip(seats) {
            match short {
                Short::Untold => break,
                Short::Otherwise => assert!(record.is_none(), "it is among the effects"),
                Short::Followed => {
                    self.running.push(start.clone());
                    self.records.extend(record.clone());
                    all.extend([Effect::Record(record.expect("of the job")), Effect::Start(start)]);
                }
                Short::Left => {
                    self.records.extend(record.clone());
                    all.push(Effect::Record(record.expect("of the job")));
                }
            }
            self.take_running(end.lease);
            taken += 1;
        }
        self.note(&effects);
        all.append(&mut effects);
        taken
    }
}

/// Two of the same seed.
fn twins(rng: &mut SplitMix64) -> [Side; 2] {
    let limit = 1 + rng.small(8);
    let (kind, unanswered, limited) = (rng.below(3), 1 + rng.below(40), rng.one_in(3));
    let (many, stop) = (20 + rng.below(60), rng.one_in(2).then(|| (1 + rng.below(60), rng.below(3))));
    let seed = rng.bits();
    [0, 1].map(|_| {
        let scheduler: Box<dyn Scheduler> = match kind {
            0 => Box::new(PriorityScheduler::new(&batchmill_scheduler_priority::Options::default())),
            1 => Box::new(Fifo::default()),
            _ => Box::new(FairShare::new(&batchmill_scheduler_fair_share::Options::default()).expect("they are valid")),
        };
        let mut settings = settings(limit);
        settings.unanswered_limit = NonZeroU64::new(unanswered).unwrap();
        let limits = if limited { vec![LimitSettings::new("keys")] } else { Vec::new() };
        let limits = limits.into_iter().map(|mut limit: LimitSettings| {
            limit.concurrency = Some(at_least_1(2));
            limit
        });
        let dispatch = Dispatch::new(settings, scheduler).with_limits(limits.collect());
        let mut side = Side { dispatch, running: Vec::new(), records: Vec::new(), whole_hands: 0, broken_off: 0 };
        let script = stop.map(|(at, how)| {
            let reason = StopReason::new("scripted", "as the seed says");
            (at, [Directive::Soon, Directive::Now, Directive::Pause][usize::try_from(how).unwrap()](reason))
        });
        let batch = side.dispatch.open(setup_with(Scripted::new(script)), BEGIN);
        let mut rng = SplitMix64::new(seed);
        let jobs = (0..many).map(|_| job(&mut rng, limited)).collect();
        side.step(BEGIN, Event::JobsAccepted { batch, jobs });
        side.step(BEGIN, Event::Sealed { batch });
        side
    })
}

fn job(rng: &mut SplitMix64, limited: bool) -> NewJob {
    let mut job = NewJob::default();
    job.priority = Priority(if rng.one_in(8) { 9 } else { 0 });
    if limited && rng.one_in(2) {
        let key = Some(Key::new(if rng.one_in(2) { "a" } else { "b" }).unwrap());
        job.limits = [LimitKey { limit: LimitId(0), key, units: 1 }].into_iter().collect();
    }
    job
}

/// Some of what runs ends, in any order.
fn ends(rng: &mut SplitMix64, running: &[Start], now: MonoTime) -> Vec<End> {
    let mut leases: Vec<Lease> = running.iter().map(|start| start.lease).filter(|_| !rng.one_in(4)).collect();
    for place in (1..leases.len()).rev() {
        leases.swap(place, usize::try_from(rng.below(place as u64 + 1)).unwrap());
    }
    let fails = rng.one_in(4);
    let mut at = now;
    let end = |lease| {
        at = at + Duration::from_nanos(rng.below(900));
        let outcome = match fails && rng.one_in(4) {
            true if rng.one_in(20) => failed(ErrorClass::Fatal),
            true => failed(ErrorClass::Transient),
            false => Outcome::Succeeded,
        };
        let mut usage = Usage::default();
        usage.ran = Duration::from_micros(rng.below(500));
        End { lease, outcome, usage, at }
    };
    leases.into_iter().map(end).collect()
}

/// One event that is no end, if any.
fn other(rng: &mut SplitMix64, side: &Side, answered: &mut usize) -> Option<Event> {
    match rng.below(4) {
        0 => Some(Event::TimerFired),
        1 if rng.one_in(3) => Some(Event::LimitChanged { limit: at_least_1(1 + rng.small(8)), why: None }),
        2 if rng.one_in(6) => Some(Event::PauseRequested { batch: BatchKey(0), paused: rng.one_in(3) }),
        _ => {
            let left = &side.records[*answered..];
            let many = usize::try_from(rng.below(left.len() as u64 + 1)).unwrap();
            *answered += many;
            let jobs: Vec<u32> = left[..many].iter().map(|record| record.index).collect();
            (!jobs.is_empty()).then_some(Event::Answered { batch: BatchKey(0), jobs })
        }
    }
}

#[test]
fn ends_that_come_together_lead_to_what_they_lead_to_one_by_one() {
    let (mut whole_hands, mut broken_off) = (0, 0);
    for seed in 0..LIVES {
        let mut rng = SplitMix64::new(seed);
        let [mut one, mut other_one] = twins(&mut rng);
        let (mut now, mut answered) = (BEGIN, 0);
        for round in 0..ROUNDS {
            now = now + Duration::from_micros(1 + rng.below(200_000));
            let ends = ends(&mut rng, &one.running, now);
            now = ends.last().map_or(now, |end| end.at);
            assert_eq!(one.one_by_one(&ends), other_one.together(&ends), "seed {seed}, round {round}");
            if let Some(event) = other(&mut rng, &one, &mut answered) {
                let again = clone_of(&event);
                assert_eq!(one.step(now, event), other_one.step(now, again), "seed {seed}, round {round}");
            }
            assert_eq!(one.dispatch.totals(), other_one.dispatch.totals(), "seed {seed}, round {round}");
            assert_eq!(one.dispatch.counts(BatchKey(0)), other_one.dispatch.counts(BatchKey(0)));
            assert_eq!(one.dispatch.queued_by_tenant(), other_one.dispatch.queued_by_tenant());
            one.running.sort_by_key(|start| start.lease.slot);
            other_one.running.sort_by_key(|start| start.lease.slot);
            assert_eq!(one.running, other_one.running, "seed {seed}, round {round}");
        }
        (whole_hands, broken_off) = (whole_hands + other_one.whole_hands, broken_off + other_one.broken_off);
    }
    assert!(whole_hands > 10_000, "{whole_hands} hands were decided the short way");
    assert!(broken_off > 1_000, "{broken_off} hands were broken off");
}

fn clone_of(event: &Event) -> Event {
    match event {
        Event::LimitChanged { limit, .. } => Event::LimitChanged { limit: *limit, why: None },
        Event::PauseRequested { batch, paused } => Event::PauseRequested { batch: *batch, paused: *paused },
        Event::Answered { batch, jobs } => Event::Answered { batch: *batch, jobs: jobs.clone() },
        _ => Event::TimerFired,
    }
}
