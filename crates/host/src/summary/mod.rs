//! What became of a batch: gathered from its results with bounded memory, written for people and as a report.

mod group;
mod next;
mod report;
mod slowest;
mod text;
mod unrun;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt, num::NonZeroU64, time::Duration};

use batchmill_core::{BatchCounts, BatchId, JobResult, Pause, Verdict, WallTime};
use batchmill_executor::{Share, Undelivered};
use serde::Serialize;

pub(crate) use group::{Groups, clipped};
pub(crate) use next::{Next, after_failures};
pub(crate) use report::{Reason, json as report, verdict_and_reason};
pub(crate) use slowest::Slowest;
pub(crate) use text::{one_line, quoted, text};
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

/// What a sink has to say about the batch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct SinkSummary {
    pub(crate) sink: String,
    pub(crate) summary: serde_json::Value,
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
    /// What sinks have to say.
    pub(crate) sinks: Vec<SinkSummary>,
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
    /// How to go on with it, or, where nothing is kept, to run it again; `None` where its jobs came through a pipe.
    pub(crate) next: Option<Next>,
    /// What earlier hosts had done.
    pub(crate) resumed: Option<Resumed>,
    /// Sinks that have not got all results.
    pub(crate) undelivered: Vec<Undelivered>,
}

/// What a host found that goes on with a batch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Resumed {
    /// Jobs that had ended.
    #[serde(rename = "jobs_before")]
    pub(crate) ended: u64,
    /// Jobs that ran when the host before was lost, and run again.
    pub(crate) interrupted: u64,
    /// Jobs that had failed and were to be tried again.
    pub(crate) retrying: u64,
    /// When the batch was accepted.
    #[serde(rename = "accepted_at")]
    pub(crate) accepted: WallTime,
    /// Which of its hosts this one is, from 1.
    pub(crate) host: u64,
}

impl fmt::Display for Resumed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ended, interrupted, retrying, .. } = self;
        let jobs = |jobs: u64| if jobs == 1 { "1 job".to_owned() } else { format!("{jobs} jobs") };
        write!(f, "resumed: {} had ended", jobs(*ended))?;
        if *interrupted > 0 {
            write!(f, ", {} ran when the host was lost", jobs(*interrupted))?;
        }
        if *retrying > 0 {
            write!(f, ", {} waited for a retry", jobs(*retrying))?;
        }
        Ok(())
    }
}

impl Summary {
    /// Whether something is left to do.
    fn goes_on(&self) -> bool {
        let broke_off = matches!(self.verdict, Verdict::Drained | Verdict::StorageFailed(_) | Verdict::HostFailed(_));
        broke_off || self.kept().is_some() && (self.trial().is_some() || !self.undelivered.is_empty())
    }

    /// Where it is kept: how commands are given the batch.
    fn kept(&self) -> Option<&str> {
        self.next.as_ref().and_then(Next::kept)
    }

    /// Jobs that had ended when this host began.
    pub(crate) fn before(&self) -> u64 {
        self.resumed.as_ref().map_or(0, |resumed| resumed.ended)
    }

    /// How many jobs this was a trial of, where it left others out.
    pub(crate) fn trial(&self) -> Option<u64> {
        self.limit.map(NonZeroU64::get).filter(|limit| *limit < self.counts.submitted)
    }
}
