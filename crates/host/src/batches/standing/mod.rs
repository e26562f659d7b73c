//! How a batch stands, whether its host says so or its store.

mod shown;
mod text;

use batchmill_core::{BatchCounts, BatchId, Verdict, WallTime};

use crate::control::{Live, Paused, Reasoned};

pub(crate) use shown::{json, list};
pub(crate) use text::text;

/// What `status` tells of one batch.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) batch: BatchId,
    /// How commands are given it.
    pub(crate) argument: String,
    pub(crate) flow: String,
    pub(crate) stage: Stage,
    /// Where its jobs stand. Of a batch without a host, who waits for a retry is `backing_off`, everyone else without an
    /// end `pending`.
    pub(crate) counts: BatchCounts,
    pub(crate) created: WallTime,
    pub(crate) ended: Option<WallTime>,
    /// The batch whose jobs it runs again, and for the how manieth time; 0 for a batch of its own.
    pub(crate) parent: Option<BatchId>,
    pub(crate) generation: u32,
    /// Who runs it.
    pub(crate) host: Option<Host>,
    /// How its last host left it, if it said so.
    pub(crate) verdict: Option<Verdict>,
    /// Why it starts nothing, or will not when it goes on.
    pub(crate) paused: Option<Paused>,
    /// Jobs without an end whose host died while they ran.
    pub(crate) lost: u64,
    /// Those of them that the last host left, while no other has come.
    pub(crate) left_running: u64,
    /// When the first retry is due.
    pub(crate) next_due: Option<WallTime>,
    /// What its host says.
    pub(crate) live: Option<Box<Live>>,
    /// What its jobs wait for, as its host says.
    pub(crate) waiting: Vec<Reasoned>,
}

/// Who runs a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    /// 0 where it has not said so yet.
    pub(crate) pid: u32,
    pub(crate) name: String,
    pub(crate) since: WallTime,
}

/// Where a batch is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// A host runs it.
    Running,
    /// Not at its end, and no host runs it: `resume` goes on.
    Interrupted,
    /// All its jobs ended.
    Finished,
    /// Its failure strategy, a person or its deadline ended it.
    Halted,
    /// A new batch took its place.
    Abandoned,
}

impl Stage {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Finished => "finished",
            Self::Halted => "halted",
            Self::Abandoned => "abandoned",
        }
    }
}

#[cfg(test)]
mod tests;
