//! What became of a batch: gathered from its results with bounded memory, written for people and as a report.

mod group;
mod report;
mod slowest;
mod text;
mod unrun;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, num::NonZeroU64, time::Duration};

use batchmill_core::{BatchCounts, BatchId, JobResult, Pause, Verdict, WallTime};
use batchmill_executor::Share;
use serde::Serialize;

pub(crate) use group::{Groups, clipped};
pub(crate) use report::json as report;
pub(crate) use slowest::Slowest;
pub(crate) use text::{quoted, text};
pub(crate) use unrun::Unrun;

use crate::{exit::Exit, intake::OnBadLine};

/// What is kept of the results while they pass by.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    pub(crate) groups: Groups,
    pub(crate) slowest: Slowest,
    pub(crate) unrun: Unrun,
}

impl Collector {
    pub(crate) fn take(&mut self, results: &[JobResult]) {
        for result in results {
            self.groups.take(result);
            self.slowest.take(result);
            self.unrun.take(result);
        }
    }
}

/// Lines that are no job, and so have no result.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct BadLines {
    pub(crate) action: OnBadLine,
    pub(crate) lines: u64,
    /// The file that has them, if they are kept.
    pub(crate) quarantine: Option<String>,
}

/// A batch that has ended.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) batch: BatchId,
    /// The flow's name.
    pub(crate) flow: String,
    pub(crate) verdict: Verdict,
    /// Why it was paused when it ended.
    pub(crate) paused: Option<Pause>,
    pub(crate) exit: Exit,
    pub(crate) counts: BatchCounts,
    /// Attempts that were repeated.
    pub(crate) retries: u64,
    pub(crate) started: WallTime,
    pub(crate) finished: WallTime,
    pub(crate) duration: Duration,
    pub(crate) collected: Collector,
    /// Jobs without a result, by reason.
    pub(crate) left: Vec<Share>,
    /// How many jobs may start, in a trial.
    pub(crate) limit: Option<NonZeroU64>,
    /// Where the results are; `None` for stdout.
    pub(crate) results: Option<String>,
    /// What was left out of it.
    pub(crate) bad_lines: BadLines,
    /// The plugins that config chose, by section.
    pub(crate) kinds: BTreeMap<&'static str, Vec<String>>,
    /// How to run it again; `None` where its jobs came through a pipe.
    pub(crate) command: Option<String>,
}

impl Summary {
    /// How many jobs this was a trial of, where it left others out.
    pub(crate) fn trial(&self) -> Option<u64> {
        self.limit.map(NonZeroU64::get).filter(|limit| *limit < self.counts.submitted)
    }
}
