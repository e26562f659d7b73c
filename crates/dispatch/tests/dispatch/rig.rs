//! A dispatch in a test's hand: one call an event, and what came of it as text.

use std::{collections::BTreeMap, num::NonZeroU32, sync::Arc, time::Duration};

use batchmill_core::{
    AttemptFailure, CancelReason, Closing, Draw, ErrorClass, MonoTime, NodeError, NodeFailure, Outcome, Pause,
    RetryRef, Scheduler, Usage, Verdict,
};
use batchmill_dispatch::{
    BatchKey, BatchSetup, Dispatch, Effect, Event, Lease, LimitSettings, MemoryUse, NewJob, Pressure, Record, Settings,
};

use crate::{
    policies::{Capped, Scripted},
    schedulers::Plain,
};

pub(crate) struct Rig {
    pub(crate) dispatch: Dispatch,
    pub(crate) now: MonoTime,
    /// The latest lease of each job that started.
    pub(crate) leases: BTreeMap<(u32, u32), Lease>,
    pub(crate) records: Vec<Record>,
    unanswered: Vec<(BatchKey, u32)>,
}

/// The default settings with this limit.
pub(crate) fn settings(limit: u32) -> Settings {
    Settings::new(at_least_1(limit))
}

pub(crate) fn at_least_1(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("not 0")
}

pub(crate) fn ms(millis: u64) -> MonoTime {
    MonoTime::ZERO + Duration::from_millis(millis)
}

/// Retries policies 0 and 1: at most three attempts with 100 ms, at most two with 1 s, each times the attempt.
pub(crate) fn setup() -> BatchSetup {
    setup_with(Scripted::default())
}

pub(crate) fn setup_with(strategy: Scripted) -> BatchSetup {
    let policy = |max, delay| Arc::new(Capped::new(max, Duration::from_millis(delay))) as _;
    BatchSetup::new(Box::new(strategy), vec![policy(3, 100), policy(2, 1000)])
}

pub(crate) fn jobs(many: usize) -> Vec<NewJob> {
    vec![NewJob::default(); many]
}

pub(crate) fn job(wish: impl FnOnce(&mut NewJob)) -> NewJob {
    let mut job = NewJob::default();
    wish(&mut job);
    job
}

/// `node` failed; an empty name stands for the attempt as a whole.
pub(crate) fn failed_node(node: &str, class: ErrorClass, retry: u16, handled: bool) -> NodeFailure {
    let mut failure =
        NodeFailure::at_node(node.into(), NodeError::new(class, "test", "failed"), RetryRef(retry), handled);
    failure.node = failure.node.filter(|name| !name.is_empty());
    failure
}

/// The attempt as a whole failed.
pub(crate) fn failed(class: ErrorClass) -> Outcome {
    Outcome::Failed(Box::new(AttemptFailure::new(failed_node("", class, 0, false))))
}

impl Rig {
    pub(crate) fn new(limit: u32) -> Self {
        Self::with(settings(limit))
    }

    pub(crate) fn with(settings: Settings) -> Self {
        Self::under(settings, Box::new(Plain::default()))
    }

    pub(crate) fn under(settings: Settings, scheduler: Box<dyn Scheduler>) -> Self {
        Self::limited(settings, scheduler, Vec::new())
    }

    /// One with limits of jobs with one key.
    pub(crate) fn limited(settings: Settings, scheduler: Box<dyn Scheduler>, limits: Vec<LimitSettings>) -> Self {
        Self {
            dispatch: Dispatch::new(settings, scheduler).with_limits(limits),
            now: MonoTime::ZERO,
            leases: BTreeMap::new(),
            records: Vec::new(),
            unanswered: Vec::new(),
        }
    }

    /// Opens a batch, with all its jobs.
    pub(crate) fn open(&mut self, setup: BatchSetup, jobs: Vec<NewJob>) -> String {
        let batch = self.dispatch.open(setup, self.now);
        let accepted = self.step(Event::JobsAccepted { batch, jobs });
        let sealed = self.step(Event::Sealed { batch });
        [accepted, sealed].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn step(&mut self, event: Event) -> String {
        let mut effects = Vec::new();
        self.dispatch.step(self.now, event, &mut effects);
        for effect in &effects {
            match effect {
                Effect::Start(start) => {
                    self.leases.insert((start.lease.batch.0, start.lease.index), start.lease);
                }
                Effect::Record(record) => {
                    self.unanswered.push((record.batch, record.index));
                    self.records.push(record.clone());
                }
                _ => {}
            }
        }
        effects.iter().map(text).collect::<Vec<_>>().join(", ")
    }

    /// The moment comes, and the alarm with it.
    pub(crate) fn at(&mut self, millis: u64) -> String {
        self.now = ms(millis);
        self.step(Event::TimerFired)
    }

    /// An attempt of batch 0 ends.
    pub(crate) fn end(&mut self, index: u32, outcome: Outcome) -> String {
        self.end_in(0, index, outcome)
    }

    pub(crate) fn end_in(&mut self, batch: u32, index: u32, outcome: Outcome) -> String {
        let lease = self.leases[&(batch, index)];
        self.step(Event::AttemptEnded { lease, outcome, usage: Usage::default(), draw: Draw::from_bits(0) })
    }

    /// An attempt of batch 0 succeeds, having held so many bytes.
    pub(crate) fn ok_with(&mut self, index: u32, peak: u64) -> String {
        self.end_with(index, Outcome::Succeeded, peak)
    }

    /// An attempt of batch 0 ends, having held so many bytes.
    pub(crate) fn end_with(&mut self, index: u32, outcome: Outcome, peak: u64) -> String {
        let lease = self.leases[&(0, index)];
        let usage = Usage::default().measured(peak, Duration::ZERO);
        self.step(Event::AttemptEnded { lease, outcome, usage, draw: Draw::from_bits(0) })
    }

    /// The body has looked: so many percent of memory are in use.
    pub(crate) fn look(&mut self, percent: u64) -> String {
        let mut pressure = Pressure::default();
        pressure.memory = Some(MemoryUse { used: percent, limit: 100 });
        self.step(Event::PressureSampled { pressure })
    }

    pub(crate) fn ok(&mut self, index: u32) -> String {
        self.end(index, Outcome::Succeeded)
    }

    pub(crate) fn fail(&mut self, index: u32, class: ErrorClass) -> String {
        self.end(index, failed(class))
    }

    pub(crate) fn fail_at(&mut self, index: u32, failures: Vec<NodeFailure>) -> String {
        self.end(index, Outcome::Failed(Box::new(AttemptFailure::of(failures).expect("a failure"))))
    }

    /// Why a job of batch 0 stands where it stands.
    pub(crate) fn explain(&self, index: u32) -> String {
        self.explain_in(0, index)
    }

    pub(crate) fn explain_in(&self, batch: u32, index: u32) -> String {
        match self.dispatch.explain(BatchKey(batch), index, self.now) {
            Some(explanation) => explanation.to_string(),
            None => "unknown".to_owned(),
        }
    }

    /// The reasons of all jobs of batch 0.
    pub(crate) fn census(&self) -> Vec<String> {
        self.dispatch.census(BatchKey(0), self.now).iter().map(ToString::to_string).collect()
    }

    /// Every record is where it belongs.
    pub(crate) fn answer(&mut self) -> String {
        let mut texts = Vec::new();
        while let Some((batch, index)) = self.unanswered.pop() {
            texts.push(self.step(Event::Answered { batch, jobs: vec![index] }));
        }
        texts.retain(|text| !text.is_empty());
        texts.join(", ")
    }

    pub(crate) fn cancel(&mut self, jobs: Option<Vec<u32>>) -> String {
        self.step(Event::CancelRequested { batch: BatchKey(0), jobs })
    }

    pub(crate) fn stop(&mut self) -> String {
        self.step(Event::StopRequested { how: CancelReason::Stop })
    }

    pub(crate) fn pause(&mut self, paused: bool) -> String {
        self.step(Event::PauseRequested { batch: BatchKey(0), paused })
    }
}

fn text(effect: &Effect) -> String {
    match effect {
        Effect::Start(start) => {
            let without: String = start.given_up.iter().map(|up| format!(" without {}", up.node)).collect();
            let again = if start.attempt > 1 { format!(" attempt {}", start.attempt) } else { String::new() };
            format!("start {}{again}{without}", name(start.lease.batch, start.lease.index))
        }
        Effect::Record(record) => {
            let code = record.failure.as_ref().map(|failure| format!(" ({})", failure.error.code));
            format!("{} {}{}", name(record.batch, record.index), record.status, code.unwrap_or_default())
        }
        Effect::Stop { lease, .. } => format!("stop {}", name(lease.batch, lease.index)),
        Effect::WakeAt(at) => format!("wake at {}", at.as_nanos() / 1_000_000),
        Effect::Retrying { lease, due, .. } => {
            format!("retry {} at {}", name(lease.batch, lease.index), due.as_nanos() / 1_000_000)
        }
        Effect::Requeued { lease, .. } => format!("again {}", name(lease.batch, lease.index)),
        Effect::Closing { closing, .. } => match closing {
            Closing::Halted(reason) => format!("stopping by {}", reason.rule),
            Closing::Cancelled => "stopping by request".to_owned(),
            Closing::DeadlinePassed => "stopping by deadline".to_owned(),
        },
        Effect::Paused { pause, .. } => match pause {
            Some(Pause::Rule(reason)) => format!("pausing by {}", reason.rule),
            Some(_) => "pausing by request".to_owned(),
            None => "going on".to_owned(),
        },
        Effect::BatchEnded { batch, verdict, .. } => format!("end of batch {}: {}", batch.0, verdict_text(verdict)),
        other => format!("{other:?}"),
    }
}

fn verdict_text(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Halted(reason) => format!("halted by {}", reason.rule),
        Verdict::StorageFailed(message) => format!("storage failed, {message}"),
        other => format!("{other:?}"),
    }
}

/// `3`, or `1/3` in another batch than the first.
fn name(batch: BatchKey, index: u32) -> String {
    if batch.0 == 0 { index.to_string() } else { format!("{}/{index}", batch.0) }
}
