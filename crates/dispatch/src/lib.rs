//! The pure brain of Batchmill.
//!
//! **What it is.** [`Dispatch`] is a state machine: [`Dispatch::step`] takes a moment and an [`Event`] and appends
//! [`Effect`]s. It admits jobs, queues them through the scheduler, starts attempts within the concurrency limit, decides
//! about retries, lets the failure strategy stop a batch, and keeps counters that obey the conservation law. One dispatch
//! serves a host: every event and effect names its batch; scheduler and limit are the host's, failure strategy and retry
//! policies are the batch's.
//!
//! **When to use it.** To build a body for it: the executor of one machine, a cluster's coordinator, a simulator.
//!
//! **What it deliberately does not do.** It knows no runtime, no clock, no file and no random source: time and the random
//! draw are arguments. It holds a small row a job, never an input.
//!
//! Every end of a job goes through `recording`: the effect [`Effect::Record`] hands the record out, the event
//! [`Event::Answered`] says that it is where it belongs. Unanswered records are bounded
//! ([`Settings::unanswered_limit`]); at the bound nothing starts. So slow sinks, a slow consumer and later the journal
//! are one case.
//!
//! Whoever asks why a job waits gets a typed [`Reason`] with what stands in the way: [`Dispatch::explain`] for one job,
//! [`Dispatch::census`] for a batch.
//!
//! ```
//! use std::{num::NonZeroU32, sync::Arc};
//! use batchmill_core::*;
//! use batchmill_dispatch::*;
//! # #[derive(Debug, Default)] struct Fifo(std::collections::VecDeque<Token>);
//! # impl Scheduler for Fifo {
//! #     fn push(&mut self, e: Entry<'_>) { self.0.push_back(e.token) }
//! #     fn pop(&mut self, _: MonoTime) -> Pick { self.0.pop_front().map_or(Pick::Empty, Pick::Run) }
//! #     fn remove(&mut self, t: Token) -> bool { let n = self.0.len(); self.0.retain(|x| *x != t); n > self.0.len() }
//! #     fn len(&self) -> usize { self.0.len() }
//! #     fn explain(&self, _: Token, _: MonoTime) -> Option<QueuePosition> { None }
//! # }
//! # #[derive(Debug)] struct Once;
//! # impl RetryPolicy for Once { fn decide(&self, _: &FailedAttempt) -> RetryDecision { RetryDecision::GiveUp("once".into()) } }
//! # #[derive(Debug)] struct Never;
//! # impl FailureStrategy for Never { fn on_result(&mut self, _: &FinalResult, _: u64) -> Directive { Directive::Continue } }
//! let mut dispatch = Dispatch::new(Settings::new(NonZeroU32::new(2).unwrap()), Box::new(Fifo::default()));
//! let mut effects = Vec::new();
//! let now = MonoTime::ZERO;
//! let batch = dispatch.open(BatchSetup::new(Box::new(Never), vec![Arc::new(Once)]), now);
//! dispatch.step(now, Event::JobsAccepted { batch, jobs: vec![NewJob::default()] }, &mut effects);
//! dispatch.step(now, Event::Sealed { batch }, &mut effects);
//! let Some(Effect::Start(start)) = effects.pop() else { panic!("a slot is free and a job is ready") };
//! let ended = Event::AttemptEnded {
//!     lease: start.lease, outcome: Outcome::Succeeded, usage: Usage::default(), draw: Draw::from_bits(7),
//! };
//! dispatch.step(now, ended, &mut effects);
//! assert!(matches!(effects.pop(), Some(Effect::Record(record)) if record.status == Status::Succeeded));
//! dispatch.step(now, Event::Answered { batch, jobs: vec![0] }, &mut effects);
//! assert!(matches!(effects.pop(), Some(Effect::BatchEnded { verdict: Verdict::Succeeded, .. })));
//! ```

#[cfg(test)]
mod backlog;
mod batch;
mod budget;
mod classes;
mod dispatch;
mod edge;
mod effect;
mod event;
mod explain;
mod gates;
mod past;
mod resources;
mod shares;
mod slots;
mod step;
mod texts;
mod timers;
mod trouble;

pub use batch::BatchSetup;
pub use dispatch::{Dispatch, Settings, Totals};
pub use edge::{Decider, PluginPanic, ask};
pub use effect::{Effect, Failure, Record, Start, StopCause};
pub use event::{BatchKey, Event, JournalFailure, Lease, NewJob, SlotId};
pub use explain::{Expiry, Explanation, Holder, LastFailure, LimitKeyOf, Reason, Share};
pub use gates::{BreakerSettings, LimitChange, LimitSettings, LimitStanding, RateSettings};
pub use past::{Past, Setback};
pub use resources::{Ladder, MemoryUse, Needs, Pressure, ResourceSettings, Rung};
pub use shares::WeightRefused;
pub use step::plain::{Short, Turn};
pub use trouble::FailedTry;
