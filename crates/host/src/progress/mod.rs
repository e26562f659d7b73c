//! Progress on stderr: what is shown comes from one plain [`Snapshot`], how often from the style.

mod bar;
mod json;
mod pace;
mod plain;
mod reporter;

use std::time::Duration;

use batchmill_core::{BatchCounts, Pause};

pub(crate) use pace::{Pace, per_second};
pub(crate) use plain::status;
pub(crate) use reporter::{Reporter, Style};

/// Where a batch stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    pub(crate) counts: BatchCounts,
    /// Attempts that were repeated.
    pub(crate) retries: u64,
    /// Since the batch was accepted.
    pub(crate) elapsed: Duration,
    /// Why it starts nothing, while it is paused.
    pub(crate) paused: Option<Pause>,
}
