//! Progress on stderr: what is shown comes from one plain [`Snapshot`], how often from the style.

mod bar;
mod json;
mod pace;
mod plain;
mod reporter;

use std::{num::NonZeroU64, time::Duration};

use batchmill_core::{BatchCounts, Pause};
use batchmill_executor::Limit;
use serde::{Deserialize, Serialize};

pub(crate) use pace::{Pace, Rate, throughput};
pub(crate) use plain::status;
pub(crate) use reporter::{Reporter, Style};

/// Where a batch stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    pub(crate) counts: BatchCounts,
    /// Attempts that were repeated.
    pub(crate) retries: u64,
    /// Since this host began with the batch.
    pub(crate) elapsed: Duration,
    /// Why it starts nothing, while it is paused.
    pub(crate) paused: Option<Pause>,
    /// How many jobs a trial starts.
    pub(crate) limit: Option<NonZeroU64>,
    /// Jobs that had ended when this host began: no speed of its own.
    pub(crate) before: u64,
    /// Attempts that may run at once, where a governor adapts that.
    pub(crate) at_most: Option<Limit>,
    /// The sink that takes no results at the moment.
    pub(crate) stuck_sink: Option<StuckSink>,
}

/// A sink that is tried again and again: a full disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StuckSink {
    pub(crate) sink: String,
    /// What it says.
    pub(crate) message: String,
}

impl Snapshot {
    /// How many jobs are to end.
    pub(crate) fn expected(&self) -> u64 {
        self.limit.map_or(self.counts.submitted, |limit| limit.get().min(self.counts.submitted))
    }
}
