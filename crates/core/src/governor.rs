//! How many attempts may run at once.

use std::{borrow::Cow, fmt, ops::RangeInclusive, time::Duration};

use crate::MonoTime;

/// What the host measured since the last sample.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct LoadSample {
    /// When the sample was taken.
    pub at: MonoTime,
    /// Attempts running now.
    pub in_flight: u32,
    /// Jobs queued now.
    pub queued: u64,
    /// Attempts that ended by themselves since the last sample.
    pub finished: u64,
    /// Of these, how many failed.
    pub failed: u64,
    /// Of these, how many failed in a way that too much load may cause: `transient`, `recoverable`, `timeout`, `resource`.
    /// A bad input is none of them.
    pub strained: u64,
    /// Of these, how many were asked to come back later: `recoverable`, as an answer 429.
    pub throttled: u64,
    /// Observed over expected time of the runs of nodes that succeeded since the last sample: all that were observed
    /// together over all that were expected, so that a node counts by its time. Expected is what a node took in the mean at
    /// first; 1 is as at first. `None` where nothing ran, or nobody knows what to expect.
    pub latency_ratio: Option<f64>,
    /// Used over allowed memory, 0–1.
    pub memory_ratio: Option<f64>,
    /// Used over available CPU, 0–1.
    pub cpu_ratio: Option<f64>,
    /// Share of the last 10 s in which some task waited for memory (PSI `some avg10`), 0–100.
    pub memory_pressure: Option<f64>,
    /// Time covered.
    pub interval: Duration,
}

/// A new limit and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Adjustment {
    /// Attempts that may run at once, at least 1.
    pub limit: u32,
    /// One word of a closed set, for the metric label `reason` and for people: `latency`.
    pub reason: Cow<'static, str>,
}

impl Adjustment {
    /// A change to `limit`.
    pub fn new(limit: u32, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { limit, reason: reason.into() }
    }
}

/// Adapts the concurrency limit to what the machine and the other side bear.
///
/// # The caller promises
/// - one call at a time, with growing `sample.at`, a [`window`](Self::window) or more apart;
/// - `current` is the limit in force. Others may have changed it since: a person, or a limit of the host that stands above
///   what was answered;
/// - the first `current` is within [`range`](Self::range).
///
/// # The implementer promises
/// - pure in its own state and the arguments: no clock, no file (the probe is the host's);
/// - a limit within its range; `None` to leave it;
/// - no growth while the limit is not used;
/// - `window` and `range` never change.
pub trait Governor: Send + fmt::Debug {
    /// Reads one sample.
    fn adjust(&mut self, sample: &LoadSample, current: u32) -> Option<Adjustment>;

    /// How often it is asked: 100 ms or more. `None`: never, so that nothing is measured for it.
    fn window(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }

    /// The limits it answers: from at least 1.
    fn range(&self) -> RangeInclusive<u32> {
        1..=u32::MAX
    }
}

const _: fn(&dyn Governor) = |_| {};
