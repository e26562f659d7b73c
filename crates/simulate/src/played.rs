//! What came out.

use std::time::Duration;

use batchmill_core::{BatchCounts, Pause, Verdict};

use crate::Windows;

/// A batch that was played to its end.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Played {
    /// What became of it; `None` where nothing could go on any more, for example because a rule paused it.
    pub verdict: Option<Verdict>,
    /// Why it was paused when nothing could go on.
    pub paused: Option<Pause>,
    /// How its jobs ended.
    pub counts: BatchCounts,
    /// From its acceptance to its end.
    pub makespan: Duration,
    /// Attempts that could run at once.
    pub slots: u32,
    /// Attempts that ran.
    pub attempts: u64,
    /// Those of them that repeated another.
    pub retries: u64,
    /// The time for which slots were held, all together.
    pub used: Duration,
    /// How fairly the time of slots was divided while shares competed for it: Jain's index of what each got by what it was
    /// entitled to, 1 for all alike. `None` where no two competed.
    pub fairness: Option<f64>,
    /// How long jobs waited, all together.
    pub wait: Wait,
    /// By tenant, in the order in which they come first in the batch; where there are many, the last row is the rest of them.
    pub shares: Vec<ShareRow>,
    /// What happened when; its rows are those of `shares`.
    pub windows: Windows,
    /// Every attempt, where they are few.
    pub bars: Option<Vec<Bar>>,
}

/// An attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bar {
    /// Where it ran, from 0.
    pub slot: u32,
    /// The place of its tenant in the rows.
    pub row: usize,
    /// When it started, from the beginning.
    pub from: Duration,
    /// When it ended.
    pub upto: Duration,
}

impl Played {
    /// The part of the time of all slots that was used.
    pub fn utilisation(&self) -> f64 {
        let offered = self.makespan.as_secs_f64() * f64::from(self.slots);
        if offered > 0.0 { self.used.as_secs_f64() / offered } else { 0.0 }
    }
}

/// What one tenant got.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ShareRow {
    /// Its name; empty for the rest.
    pub name: String,
    /// How many tenants it stands for.
    pub tenants: u64,
    /// Their jobs.
    pub jobs: u64,
    /// Those that have started.
    pub started: u64,
    /// The time for which they held slots.
    pub used: Duration,
    /// The part of the machine that the scheduler's weights say, while all shares have jobs waiting.
    pub entitled: f64,
    /// The part that it had, of what was had by those that competed, by the part that it was entitled to: 1 is exactly that.
    /// `None` where it never competed.
    pub received: Option<f64>,
    /// How long its jobs waited for their first start, from when they might.
    pub wait: Wait,
    /// When the last of its jobs ended, from the beginning.
    pub finished: Duration,
}

/// How long jobs waited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wait {
    /// Half of them at most this.
    pub p50: Duration,
    /// Nine in ten.
    pub p90: Duration,
    /// Ninety-nine in a hundred.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
    /// On average.
    pub mean: Duration,
}
