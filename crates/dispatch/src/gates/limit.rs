//! A limit as config gives it, and how it stands.

use std::{num::NonZeroU32, time::Duration};

use batchmill_core::{ErrorClass, LimitId, MonoTime, Rate};

/// What may start of the jobs with one key. All that it says must be kept.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LimitSettings {
    /// What people call it.
    pub name: String,
    /// Whether jobs bring keys; without, all jobs of the host have one.
    pub has_key: bool,
    /// Attempts of one key that may run at once.
    pub concurrency: Option<NonZeroU32>,
    /// Starts of one key in a time.
    pub rate: Option<RateSettings>,
    /// When the jobs of a key are stopped because they fail.
    pub breaker: Option<BreakerSettings>,
    /// Whether the wait that one failed attempt was asked for is one of its key.
    pub pauses: bool,
}

impl LimitSettings {
    /// A limit that limits nothing yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), has_key: true, concurrency: None, rate: None, breaker: None, pauses: false }
    }
}

/// A token bucket a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateSettings {
    /// How fast tokens come.
    pub rate: Rate,
    /// How many there can be.
    pub burst: NonZeroU32,
    /// All buckets were empty at this moment; without it they begin full. A host that goes on with the work of another does
    /// not know what that had left.
    pub empty_at: Option<MonoTime>,
}

impl RateSettings {
    /// Buckets of `burst` tokens that begin full.
    pub fn new(rate: Rate, burst: NonZeroU32) -> Self {
        Self { rate, burst, empty_at: None }
    }
}

/// A breaker a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerSettings {
    /// So many failures in a row open it.
    pub failures: NonZeroU32,
    /// How long it is open.
    pub cooldown: Duration,
    /// Attempts that are tried then; all must succeed.
    pub probes: NonZeroU32,
    /// The error classes that count.
    pub on: Vec<ErrorClass>,
}

impl BreakerSettings {
    /// One probe after `cooldown`; every class counts but what is the job's own fault.
    pub fn new(failures: NonZeroU32, cooldown: Duration) -> Self {
        use ErrorClass::{Crash, Recoverable, Resource, Timeout, Transient};
        Self { failures, cooldown, probes: NonZeroU32::MIN, on: vec![Transient, Recoverable, Timeout, Resource, Crash] }
    }
}

/// What a person changes about a limit while jobs run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitChange {
    /// Attempts of one key that may run at once. Running ones are never stopped for it.
    Concurrency(NonZeroU32),
    /// Starts of one key in a time. What a bucket holds stays.
    Rate(Rate),
}

/// How a limit stands.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LimitStanding {
    /// Which.
    pub limit: LimitId,
    /// As it is in force.
    pub settings: LimitSettings,
    /// Keys that were seen.
    pub keys: u64,
    /// Attempts that run under it.
    pub running: u64,
    /// Keys that let nothing start at this moment.
    pub shut: u64,
    /// Keys whose breaker is not closed.
    pub open: u64,
    /// Keys that are paused.
    pub paused: u64,
}
