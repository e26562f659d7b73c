//! Runs what dispatch decides on tokio.
//!
//! **What it is.** A [`Mill`] owns one [`Dispatch`](batchmill_dispatch::Dispatch) and gives it a body: long-lived
//! tasks that run attempts, an alarm, and one task a batch that answers for its results: it hands them to a [`Delivery`],
//! or, where the batch is [`Durable`], records them in its journal, from which each [`Feed`] gets them. What an attempt
//! is, a [`Workload`] says; [`FlowWorkload`] runs flows.
//!
//! **When to use it.** To run batches inside a program with your own scheduler, policies and delivery. The `batchmill`
//! crate wraps it with defaults.
//!
//! **What it deliberately does not do.** It knows no plugin, no config file and no HTTP. It decides nothing: whether, when
//! and in which order jobs run is dispatch's.
//!
//! # Why it is fast although every policy is on
//! One lock for several jobs: a runner takes a hand of starts, and the call that reports their ends also brings the next
//! ones. A hand grows only while jobs end at once and within microseconds, and an attempt that waits leaves it, so that no
//! job waits for another (`docs/adr/0011-starts-are-run-by-the-hand.md`). No task is spawned and nothing is allocated a job;
//! the timer of an attempt is armed only when its first poll is pending, and registered with the runtime once a time limit;
//! a report is written once, to its seat in the hand, and becomes a result there; results are handed over in lots of about
//! 64 by a runner whose jobs end at once, and always before a runner waits for anything.
//!
//! What is left is spread: dispatch itself, the result and its id, a look at the clock a job, memory that is touched for
//! the first time, and the jobs being accepted by one thread before the first can start.

mod clock;
mod collected;
mod durable;
mod flow_workload;
mod forecast;
mod latency;
mod meters;
mod mill;
mod probe;
mod source;
mod timed_checkpointer;
mod workload;

pub use batchmill_dispatch::{
    BreakerSettings, Explanation, Holder, Ladder, LastFailure, LimitChange, LimitKeyOf, LimitSettings, LimitStanding,
    Needs, RateSettings, Reason, ResourceSettings, Share, WeightRefused,
};
pub use clock::Clock;
pub use collected::Collected;
pub use durable::{Begins, Durable, Feed, Past, Undelivered};
pub use flow_workload::{FlowWorkload, Graphs};
pub use forecast::first_starts;
pub use latency::Latency;
pub use mill::{
    BatchEnd, BatchHandle, Delivery, Governing, Limit, Mill, Opening, Pauses, Phases, Results, Settings, Snapshot,
};
pub use probe::{MemoryProbe, MemoryReading, Probe, Reading, Readings, Unavailable};
pub use source::{Beginning, JobSource};
pub use timed_checkpointer::TimedCheckpointer;
pub use workload::{Attempt, AttemptReport, Workload};
