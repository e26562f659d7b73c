//! What a scheduler that divides by shares does beside scheduling.

use std::time::Duration;

use crate::MonoTime;

/// What one share used.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ShareUsage {
    /// The share, as a path (`org/team/user`), as entries name it.
    pub share: String,
    /// How much, in the unit of [`UsageMemory::unit`]: finite and not below 0.
    pub amount: f64,
}

impl ShareUsage {
    /// So much of a share.
    pub fn new(share: impl Into<String>, amount: f64) -> Self {
        Self { share: share.into(), amount }
    }
}

/// How a scheduler remembers what shares used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct UsageMemory {
    /// What amounts count, for example `seconds`. Amounts of another unit mean nothing to it.
    pub unit: &'static str,
    /// After this time an amount counts half. Above 0.
    pub half_life: Duration,
}

impl UsageMemory {
    /// Amounts of `unit` that count half after `half_life`.
    pub fn new(unit: &'static str, half_life: Duration) -> Self {
        Self { unit, half_life }
    }
}

/// The shares of a [`Scheduler`](crate::Scheduler) that divides by them.
///
/// A host that has somewhere to keep it takes what was used out of the scheduler from time to time and at its end, and
/// gives a new one what was kept. Several hosts may add to one record: what is taken out is what has been used since it was
/// last taken, and never a total.
///
/// # The caller promises
/// - amounts that it recalls are of the scheduler's own unit, decayed to the `now` of the call, and no amount of the same
///   scheduler is recalled to it;
/// - all calls are made as those of the scheduler are: one at a time, with a `now` that never goes back.
///
/// # The implementer promises
/// - every amount is handed out once, undecayed, under the share that its entry named (or a spelling that means the same);
/// - what is recalled counts as if it had been used here, in whatever order it comes, also of shares that have no jobs;
/// - a weight that is refused changes nothing; one that is taken counts from the next pick on;
/// - without a memory nothing is handed out, and what is recalled changes nothing.
pub trait Shares {
    /// The weight of a share among those beside it, there already or not. The share `org/team` is one within `org`, and
    /// gets of what `org` gets what its weight says.
    fn weight(&self, share: &str) -> f64;

    /// Changes the weight of a share, there already or not; or says why it can not be.
    fn set_weight(&mut self, share: &str, weight: f64) -> Result<(), String>;

    /// Whether shares are charged by memory ([`Usage::peak_memory`](crate::Usage::peak_memory)): then it is worth to look at
    /// that of processes while they run, where it is not known at their end.
    fn charges_memory(&self) -> bool {
        false
    }

    /// How use is remembered; `None` where it is not.
    fn memory(&self) -> Option<UsageMemory>;

    /// What shares used elsewhere or before, as much as it still counts.
    fn recall(&mut self, now: MonoTime, used: &[ShareUsage]);

    /// What attempts that ended have used since this was last asked.
    fn take_usage(&mut self) -> Vec<ShareUsage>;
}
