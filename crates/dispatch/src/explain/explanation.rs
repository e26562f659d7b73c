//! The answer to a person who asks about one job.

use std::{fmt, time::Duration};

use batchmill_core::{ErrorClass, format_duration};
use serde::Serialize;

use super::Reason;

/// Why one job stands where it stands. Displays as a sentence without a full stop; serialises to data that is only ever
/// added to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// Where it counts, by the name of its counter: `pending`, `running`, `backing_off`, `recording`, or its status.
    pub state: &'static str,
    /// What it waits for, or what happens to it.
    #[serde(flatten)]
    pub reason: Reason,
    /// Attempts that have ended by themselves.
    pub attempts: u32,
    /// How often its host or worker was lost while it ran.
    #[serde(skip_serializing_if = "is_zero")]
    pub crashes: u32,
    /// How often it was ended because memory ran short, which counts as no attempt.
    #[serde(skip_serializing_if = "is_zero")]
    pub kills: u32,
    /// For how long: since its attempt started, since the budget is empty, or else since it was accepted.
    #[serde(rename = "since_seconds", with = "seconds")]
    pub since: Duration,
    /// When that changes by itself, from now: its `after`, its retry, the next token, its time limit, the moment that the
    /// scheduler named.
    #[serde(rename = "due_seconds", with = "optional_seconds", skip_serializing_if = "Option::is_none")]
    pub due: Option<Duration>,
    /// Jobs that start before it, or retries that get a token before it, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ahead: Option<u64>,
    /// What the scheduler says of its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// When a job that waits ends `timed_out`, if nothing starts it and it does not end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Expiry>,
    /// Where its attempt runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<u32>,
    /// The last attempt that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<LastFailure>,
}

/// When the time of a job that waits is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Expiry {
    /// From now.
    #[serde(rename = "left_seconds", with = "seconds")]
    pub left: Duration,
    /// The code of its error then: `deadline`, `queue_timeout`, `job_timeout`.
    pub code: &'static str,
}

/// An attempt that failed, as far as it explains why a job waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LastFailure {
    /// Its number, from 1.
    pub attempt: u32,
    /// Why.
    pub class: ErrorClass,
    /// The message of its error.
    pub message: String,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (since, due) = (format_duration(self.since), self.due.map(format_duration));
        match &self.reason {
            // The status says all of it.
            Reason::Ended { status } => return write!(f, "{status}"),
            reason => write!(f, "{}: {reason}", self.state.replace('_', " "))?,
        }
        if let Some(slot) = self.slot {
            write!(f, ", number {} in slot {slot}, for {since}", self.attempts.saturating_add(1))?;
            if let Some(left) = &due {
                write!(f, ", {left} left")?;
            }
            return Ok(());
        }
        if let Reason::RetryBudget { .. } = self.reason {
            write!(f, " since {since}")?;
        }
        if let Some(due) = &due {
            write!(f, ", due in {due}")?;
        }
        match self.ahead {
            Some(0) => f.write_str("; it is the next")?,
            Some(1) => f.write_str("; 1 job is before it")?,
            Some(ahead) => write!(f, "; {ahead} jobs are before it")?,
            None => {}
        }
        if let Some(order) = &self.order {
            write!(f, " ({order})")?;
        }
        if let Some(Expiry { left, code }) = self.expires {
            write!(f, "; it times out in {} ({code})", format_duration(left))?;
        }
        if let Some(LastFailure { attempt, class, message }) = &self.last_failure {
            write!(f, "; attempt {attempt} failed: {class}: {message}")?;
        }
        match self.kills {
            0 => {}
            1 => f.write_str("; it was ended once because memory ran short")?,
            times => write!(f, "; it was ended {times} times because memory ran short")?,
        }
        match self.crashes {
            0 => {}
            1 => f.write_str("; its host was lost once while it ran")?,
            times => write!(f, "; its host was lost {times} times while it ran")?,
        }
        Ok(())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// How many jobs of a batch have one reason.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Share {
    /// How many.
    pub jobs: u64,
    /// Where they count, by the name of the counter.
    pub state: &'static str,
    /// Why.
    #[serde(flatten)]
    pub reason: Reason,
    /// When that changes by itself for the first of them, from now.
    #[serde(rename = "due_seconds", with = "optional_seconds", skip_serializing_if = "Option::is_none")]
    pub due: Option<Duration>,
}

impl Share {
    /// Whether these jobs wait: for a start, or for the end that is decided.
    pub fn waits(&self) -> bool {
        use Reason::{Ended, Recording, Running, Stopping};
        !matches!(self.reason, Running | Stopping { .. } | Recording { .. } | Ended { .. })
    }
}

/// `1203 pending: all 4 slots are taken`
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.jobs, self.state.replace('_', " "), self.reason)?;
        if let Some(due) = self.due {
            let first = if self.jobs == 1 { "" } else { "the first " };
            write!(f, ", {first}due in {}", format_duration(due))?;
        }
        Ok(())
    }
}

mod seconds {
    use std::time::Duration;

    use serde::Serializer;

    pub(super) fn rounded(duration: Duration) -> f64 {
        (duration.as_secs_f64() * 1e6).round() / 1e6
    }

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(rounded(*duration))
    }
}

mod optional_seconds {
    use std::time::Duration;

    use serde::Serializer;

    pub(super) fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::seconds::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }
}
