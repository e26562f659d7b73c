//! Batches that survive their host.

mod feed;
mod past;

use std::{fmt, sync::Arc};

use batchmill_core::{Journal, Position, StartLog, WallTime};

pub(crate) use self::past::{on_the_wall, tries_on_the_wall};

pub use self::{
    feed::{Begins, Feed},
    past::Past,
};

/// What makes a batch durable: a job has ended when the journal has recorded it, and what is recorded is fed to all who
/// want the results, at their own pace.
///
/// A feed that is slow, or takes nothing for a while, never holds the batch up: what it is behind with waits in the
/// journal. At the end each feed gets what it lacks before the batch is told to have ended.
pub struct Durable {
    /// The record of the batch, which this host owns.
    pub journal: Arc<dyn Journal>,
    /// Knows whose jobs run.
    pub starts: Arc<dyn StartLog>,
    /// What earlier hosts left.
    pub past: Past,
    /// When it was first accepted.
    pub accepted: WallTime,
    /// Whether an earlier host ran jobs of it.
    pub resumed: bool,
    /// Who gets the results. Each has a name of its own.
    pub feeds: Vec<Box<dyn Feed>>,
}

impl Durable {
    /// A batch that is accepted at this moment, by its first host.
    pub fn new(
        journal: Arc<dyn Journal>,
        starts: Arc<dyn StartLog>,
        accepted: WallTime,
        feeds: Vec<Box<dyn Feed>>,
    ) -> Self {
        Self { journal, starts, past: Past::default(), accepted, resumed: false, feeds }
    }

    /// The same batch for a later host, which goes on from `past`.
    #[must_use]
    pub fn resuming(mut self, past: Past) -> Self {
        (self.past, self.resumed) = (past, true);
        self
    }
}

impl fmt::Debug for Durable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Durable")
            .field("journal", &self.journal)
            .field("resumed", &self.resumed)
            .finish_non_exhaustive()
    }
}

/// A feed that has not got everything. The results are in the journal all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Undelivered {
    /// Its name.
    pub sink: String,
    /// It has everything up to here.
    pub upto: Position,
    /// Results that are recorded and that it has not got.
    pub missing: u64,
    /// Why.
    pub message: String,
    /// Whether it may get them later: it was out of order for a while when the host was told to end. Otherwise it failed
    /// for good.
    pub interrupted: bool,
}
