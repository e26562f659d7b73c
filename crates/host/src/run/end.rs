//! What the end of a batch means for the program.

use batchmill_core::{BatchCounts, Verdict};
use batchmill_executor::{BatchEnd, Share, Undelivered};
use batchmill_store_sqlite::Standing;

use super::{feeds::Gathering, watch::Waited};
use crate::{exit::Exit, problems::Refusal};

/// The end of a batch as the program tells it.
#[derive(Debug, PartialEq)]
pub(super) struct Ended {
    pub(super) verdict: Verdict,
    pub(super) exit: Exit,
    pub(super) counts: BatchCounts,
    pub(super) retries: u64,
    /// Jobs without a result, by reason.
    pub(super) left: Vec<Share>,
    /// Sinks that have not got all results.
    pub(super) undelivered: Vec<Undelivered>,
    /// Whether nobody is there to read a summary.
    pub(super) quiet: bool,
}

/// What else happened on the way.
#[derive(Debug, Default, Clone)]
pub(super) struct Circumstances<'a> {
    /// The jobs file is not what was accepted any more.
    pub(super) broken: Option<&'a Refusal>,
    /// The reader of the results has gone.
    pub(super) reader_gone: bool,
    /// Why the store takes nothing any more.
    pub(super) store: Option<String>,
    /// How the batch stood when the wait was given up.
    pub(super) counts: BatchCounts,
    pub(super) retries: u64,
    pub(super) left: Vec<Share>,
}

impl Ended {
    pub(super) fn of(waited: Waited, circumstances: Circumstances<'_>) -> Self {
        let Circumstances { broken, reader_gone, store, counts, retries, left } = circumstances;
        let BatchEnd { verdict, counts, retries, left, undelivered, .. } = match waited {
            Waited::Ended(end) => end,
            Waited::Stuck => {
                let mut end = BatchEnd::new(stuck(&counts), counts);
                (end.retries, end.left) = (retries, left);
                end
            }
        };
        let verdict = match store {
            // However it ended: what it did last may not be recorded.
            Some(message) if !counts.is_complete() => Verdict::StorageFailed(message),
            _ => verdict,
        };
        let mut undelivered = undelivered;
        // Who was told to end and lacks nothing has nothing to say; the summary is no sink of the user's.
        undelivered.retain(|sink| sink.sink != Gathering::NAME && (sink.missing > 0 || !sink.interrupted));
        let exit = Exit::of(&verdict);
        let ended = Self { verdict, exit, counts, retries, left, undelivered, quiet: false };
        match (broken, reader_gone) {
            (Some(refusal), _) => Self { exit: refusal.exit, ..ended },
            // Even a batch that was through: not all of its results found a reader.
            (None, true) if exit != Exit::Storage => {
                Self { verdict: Verdict::Drained, exit: Exit::Interrupted, quiet: true, ..ended }
            }
            (None, _) => ended.with_sinks(),
        }
    }

    /// A sink that failed for good is a failure of storage; one that was out of order when the batch had to end waits for a
    /// resume.
    fn with_sinks(self) -> Self {
        let ran_through = matches!(self.exit, Exit::Success | Exit::SomeFailed | Exit::Stopped | Exit::Deadline);
        let exit = match self.undelivered.iter().map(|sink| sink.interrupted).min() {
            Some(false) if ran_through || self.exit == Exit::Interrupted => Exit::Storage,
            Some(true) if ran_through => Exit::Interrupted,
            _ => self.exit,
        };
        Self { exit, ..self }
    }

    /// Where the batch stands in the store. What lacks something waits for a resume.
    pub(super) fn standing(&self) -> Standing {
        let lacks = !self.counts.is_complete() || !self.undelivered.is_empty();
        match self.verdict {
            Verdict::Drained | Verdict::StorageFailed(_) | Verdict::Fenced | Verdict::HostFailed(_) => Standing::Open,
            _ if lacks => Standing::Open,
            Verdict::Halted(_) | Verdict::Cancelled | Verdict::DeadlinePassed => Standing::Halted,
            _ => Standing::Finished,
        }
    }
}

/// Jobs that would not end leave an interrupted batch; results that nobody took are a failure of storage.
fn stuck(counts: &BatchCounts) -> Verdict {
    match counts.recording {
        0 => Verdict::Drained,
        results => Verdict::StorageFailed(format!("{results} results could not be written in time")),
    }
}

#[cfg(test)]
mod tests {
    use batchmill_core::StopReason;
    use batchmill_executor::BatchEnd;

    use super::*;

    fn ended(verdict: Verdict) -> Waited {
        Waited::Ended(BatchEnd::new(verdict, BatchCounts::default()))
    }

    #[test]
    fn a_changed_jobs_file_is_bad_data_whatever_the_batch_says() {
        let refusal = Refusal::data("jobs.jsonl:2: changed");
        let circumstances = Circumstances { broken: Some(&refusal), ..Circumstances::default() };
        let halted = Verdict::Halted(StopReason::new("fatal", "changed"));
        assert_eq!(Ended::of(ended(halted), circumstances).exit, Exit::BadData);
    }

    #[test]
    fn a_reader_that_goes_ends_the_batch_quietly() {
        let circumstances = Circumstances { reader_gone: true, ..Circumstances::default() };
        for verdict in [Verdict::Drained, Verdict::Succeeded] {
            let ended = Ended::of(ended(verdict), circumstances.clone());
            assert_eq!((ended.exit, ended.quiet), (Exit::Interrupted, true));
        }
        let failed = Ended::of(ended(Verdict::StorageFailed("disk".into())), circumstances.clone());
        assert_eq!((failed.exit, failed.quiet), (Exit::Storage, false), "another sink failed");
    }

    #[test]
    fn a_batch_that_could_not_be_ended_is_not_reported_as_more_than_it_is() {
        let mut circumstances = Circumstances::default();
        assert_eq!(Ended::of(Waited::Stuck, circumstances.clone()).exit, Exit::Interrupted);
        circumstances.counts.recording = 3;
        assert_eq!(Ended::of(Waited::Stuck, circumstances.clone()).exit, Exit::Storage);
    }
}
