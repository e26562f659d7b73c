//! How the program ends: the exit codes of the reference.

use std::process::ExitCode;

use batchmill_core::{BatchCounts, Verdict};

/// An exit code with its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Every job succeeded, an empty batch too; or enough of them, by a rule that says so.
    Success,
    /// The batch ended, some jobs failed finally.
    SomeFailed,
    /// Unknown flag, missing argument.
    Usage,
    /// Stopped by its failure strategy, or cancelled by a person.
    Stopped,
    /// The deadline of the batch passed.
    Deadline,
    /// A job line, a flow, a missing input file, an unknown batch, or another one than the one to go on with.
    BadData,
    /// Disk error, permission: results could not be stored.
    Storage,
    /// Interrupted or drained before the end, or the batch has another host.
    Interrupted,
    /// Config is wrong.
    BadConfig,
    /// `--exit-code count`: the number of failed jobs, 101 for more than 100.
    Count(u8),
}

impl Exit {
    /// The number that the shell sees.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::SomeFailed => 1,
            Self::Usage => 2,
            Self::Stopped => 3,
            Self::Deadline => 4,
            Self::BadData => 65,
            Self::Storage => 74,
            Self::Interrupted => 75,
            Self::BadConfig => 78,
            Self::Count(jobs) => jobs,
        }
    }

    /// The exit of a batch that ended with `verdict`.
    pub(crate) fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Succeeded => Self::Success,
            Verdict::SomeFailed => Self::SomeFailed,
            Verdict::Halted(reason) if reason.success => Self::Success,
            Verdict::Halted(_) | Verdict::Cancelled => Self::Stopped,
            Verdict::DeadlinePassed => Self::Deadline,
            Verdict::Drained | Verdict::HostFailed(_) | Verdict::Fenced => Self::Interrupted,
            Verdict::StorageFailed(_) => Self::Storage,
            // A verdict that this program does not know yet is no success.
            _ => Self::Stopped,
        }
    }

    /// GNU parallel's form of a batch's exit: how many jobs failed for good. It speaks of jobs: an end that is about
    /// something else (interrupted, storage, deadline, bad data) keeps its own code. So does an end without a job that
    /// failed where 0 would read as a success: a person cancelled, or jobs were quarantined. A rule that stopped a batch
    /// because enough jobs had ended, none of them badly, is not such an end.
    pub(crate) fn counting(self, verdict: &Verdict, counts: &BatchCounts) -> Self {
        let stopped_well = matches!(verdict, Verdict::Halted(_)) && counts.unsuccessful() == 0;
        match (self, counts.failed + counts.timed_out) {
            (Self::Stopped, 0) if stopped_well => Self::Count(0),
            (_, 0) => self,
            (Self::SomeFailed | Self::Stopped, jobs) => Self::Count(capped(jobs)),
            _ => self,
        }
    }
}

fn capped(jobs: u64) -> u8 {
    u8::try_from(jobs.min(101)).unwrap_or(101)
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use batchmill_core::StopReason;

    use super::*;

    #[test]
    fn each_verdict_has_the_code_of_the_reference() {
        let halted = StopReason::new("soon,fail=3", "3 of 10 jobs failed");
        let cases = [
            (Verdict::Succeeded, 0),
            (Verdict::SomeFailed, 1),
            (Verdict::Halted(halted.clone()), 3),
            (Verdict::Halted(halted.as_success()), 0),
            (Verdict::Cancelled, 3),
            (Verdict::DeadlinePassed, 4),
            (Verdict::Drained, 75),
            (Verdict::Fenced, 75),
            (Verdict::StorageFailed("disk".into()), 74),
        ];
        for (verdict, code) in cases {
            assert_eq!(Exit::of(&verdict).code(), code, "{verdict:?}");
        }
    }

    #[test]
    fn counting_says_how_many_jobs_failed_up_to_101() {
        let halted = Verdict::Halted(StopReason::new("soon,fail=3", "3 of 10 jobs failed"));
        let mut counts = BatchCounts::default();
        (counts.failed, counts.timed_out, counts.quarantined) = (2, 1, 7);
        assert_eq!(Exit::SomeFailed.counting(&Verdict::SomeFailed, &counts).code(), 3);
        assert_eq!(Exit::Stopped.counting(&halted, &counts).code(), 3, "also after a halt");
        for other in [Exit::Interrupted, Exit::Storage, Exit::Deadline, Exit::BadData, Exit::Success] {
            assert_eq!(other.counting(&halted, &counts), other, "not about jobs");
        }
        counts.failed = 5000;
        assert_eq!(Exit::SomeFailed.counting(&Verdict::SomeFailed, &counts).code(), 101);
    }

    #[test]
    fn counting_nothing_is_a_success_only_where_nothing_went_wrong() {
        let halted = Verdict::Halted(StopReason::new("soon,done=5", "5 of 10 jobs ended"));
        let mut counts = BatchCounts::default();
        assert_eq!(Exit::Stopped.counting(&Verdict::Cancelled, &counts), Exit::Stopped);
        assert_eq!(Exit::Stopped.counting(&halted, &counts).code(), 0);
        counts.quarantined = 1;
        assert_eq!(Exit::Stopped.counting(&halted, &counts), Exit::Stopped);
        assert_eq!(Exit::SomeFailed.counting(&Verdict::SomeFailed, &counts), Exit::SomeFailed);
    }
}
