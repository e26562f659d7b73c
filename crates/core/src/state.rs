//! The state machine of a job, and the only function that moves it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// An attempt succeeded.
    Succeeded,
    /// The retry policy gave up, or the error was not retryable.
    Failed,
    /// A time limit ended it for good.
    TimedOut,
    /// A person cancelled it.
    Cancelled,
    /// The failure strategy or the batch's deadline ended it.
    Skipped,
    /// It took its host down too often.
    Quarantined,
}

impl Status {
    /// All of them, in the order of the conservation law.
    pub const ALL: [Self; 6] =
        [Self::Succeeded, Self::Failed, Self::TimedOut, Self::Cancelled, Self::Skipped, Self::Quarantined];

    /// The status as written in results and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
            Self::Quarantined => "quarantined",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a job stands.
///
/// ```text
/// pending ──► ready ──► running ──► recording ──► ended
///               ▲  ▲        │
///               │  └────────┤ host or worker lost, planned stop
///               └─ backoff ◄┘ retry decided
/// ```
/// A job that never starts again (cancelled, skipped, deadline, quarantine) goes from wherever it waits to recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JobState {
    /// Accepted, and its `after` is still to come.
    Pending,
    /// Queued in the scheduler.
    Ready,
    /// An attempt holds a slot.
    Running,
    /// Waits for its retry, without a slot.
    Backoff,
    /// Its end is decided and its record is not yet confirmed; the slot is free.
    Recording(Status),
    /// Ended: the record is confirmed. Nothing changes any more.
    Ended(Status),
}

/// What can happen to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transition {
    /// Its `after` has come: it may be queued.
    Admit,
    /// An attempt starts.
    Start,
    /// The attempt failed and will be repeated after a delay.
    Retry,
    /// The delay has passed.
    RetryDue,
    /// The attempt is void: its host or worker was lost, or it was stopped on purpose and will run again.
    Lost,
    /// Its end is decided.
    End(Status),
    /// The record of its end is confirmed.
    Recorded,
}

/// A transition that the state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("illegal transition: {transition:?} in state {state:?}")]
pub struct IllegalTransition {
    /// The state, which is unchanged.
    pub state: JobState,
    /// What was asked for.
    pub transition: Transition,
}

impl JobState {
    /// Moves a job. Every change of a job's state in Batchmill goes through here.
    #[inline]
    pub fn apply(self, transition: Transition) -> Result<Self, IllegalTransition> {
        use JobState as S;
        use Transition as T;
        match (self, transition) {
            (S::Pending, T::Admit) | (S::Backoff, T::RetryDue) | (S::Running, T::Lost) => Ok(S::Ready),
            (S::Ready, T::Start) => Ok(S::Running),
            (S::Running, T::Retry) => Ok(S::Backoff),
            (S::Running, T::End(status)) => Ok(S::Recording(status)),
            // Only an attempt can succeed.
            (S::Pending | S::Ready | S::Backoff, T::End(status)) if status != Status::Succeeded => {
                Ok(S::Recording(status))
            }
            (S::Recording(status), T::Recorded) => Ok(S::Ended(status)),
            _ => Err(IllegalTransition { state: self, transition }),
        }
    }

    /// Whether nothing will change any more.
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Ended(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states() -> Vec<JobState> {
        use JobState::{Backoff, Ended, Pending, Ready, Recording, Running};
        let waiting = [Pending, Ready, Running, Backoff];
        let ends = Status::ALL.into_iter().flat_map(|s| [Recording(s), Ended(s)]);
        waiting.into_iter().chain(ends).collect()
    }

    fn transitions() -> Vec<Transition> {
        use Transition::{Admit, End, Lost, Recorded, Retry, RetryDue, Start};
        let plain = [Admit, Start, Retry, RetryDue, Lost, Recorded];
        plain.into_iter().chain(Status::ALL.into_iter().map(End)).collect()
    }

    #[test]
    fn an_ended_job_never_changes() {
        for state in states().into_iter().filter(|s| s.is_ended()) {
            for transition in transitions() {
                assert_eq!(state.apply(transition), Err(IllegalTransition { state, transition }));
            }
        }
    }

    #[test]
    fn only_a_running_job_can_succeed_and_only_a_recorded_one_ends() {
        for state in states() {
            let succeeded = state.apply(Transition::End(Status::Succeeded));
            assert_eq!(succeeded.is_ok(), state == JobState::Running, "{state:?}");
            let ended = state.apply(Transition::Recorded);
            assert_eq!(ended.is_ok(), matches!(state, JobState::Recording(_)), "{state:?}");
        }
    }

    #[test]
    fn the_table_of_legal_moves() {
        let legal: Vec<_> = states()
            .into_iter()
            .flat_map(|s| transitions().into_iter().map(move |t| (s, t)))
            .filter(|(s, t)| s.apply(*t).is_ok())
            .collect();
        // 6 moves among waiting states, 6 ends of running, 5 ends of each of the 3 waiting states, 6 confirmations.
        assert_eq!(legal.len(), 5 + 6 + 15 + 6, "{legal:#?}");
    }
}
