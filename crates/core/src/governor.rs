//! How many attempts may run at once.

use std::{borrow::Cow, fmt, time::Duration};

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
    /// Attempts that ended since the last sample.
    pub finished: u64,
    /// Of these, how many failed.
    pub failed: u64,
    /// Mean of observed over expected attempt time, per node kind; 1 is as expected.
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
    /// One word of a closed set, for the metric label `reason`.
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
/// - one call at a time, at most ten a second, with growing `sample.at`; `current` is the limit in force.
///
/// # The implementer promises
/// - pure in its own state and the arguments: no clock, no file (the probe is the host's);
/// - a limit of at least 1; `None` to leave it;
/// - no growth while the limit is not used.
pub trait Governor: Send + fmt::Debug {
    /// Reads one sample.
    fn adjust(&mut self, sample: &LoadSample, current: u32) -> Option<Adjustment>;
}

const _: fn(&dyn Governor) = |_| {};
