//! Why a job stands where it stands, as a type.

use std::{fmt, num::NonZeroU32};

use batchmill_core::{Closing, Pause, Status};
use serde::Serialize;

use crate::{JournalFailure, StopCause};

/// Why a job stands where it stands, with what stands in its way. What is true of one job alone is in
/// [`Explanation`](super::Explanation), so that jobs with the same reason can be counted together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// Not all jobs of its batch are accepted: nothing of it starts yet.
    Accepting,
    /// Its `after` is to come.
    NotBefore,
    /// An attempt failed, and its retry is not due.
    Backoff,
    /// Its retry is due, and its batch has no token for it.
    RetryBudget {
        /// The most tokens there can be.
        burst: NonZeroU32,
    },
    /// Its batch is paused.
    Paused {
        /// By this rule; by a person where there is none.
        rule: Option<String>,
    },
    /// The store of its batch is full; it goes on by itself when there is room.
    StorageFull {
        /// What is full.
        message: String,
    },
    /// It was lost with its host so often that once more is the limit. Such jobs run one at a time, and one runs.
    Suspect {
        /// Where the other one runs.
        other: u32,
    },
    /// Its batch is a trial, and others were first.
    Trial {
        /// Jobs that a trial starts.
        limit: u64,
    },
    /// As many attempts run as may.
    Slots {
        /// How many that are.
        limit: u32,
    },
    /// As many results wait to be taken as may: a sink or a reader is slow.
    Unanswered {
        /// How many that are.
        limit: u64,
    },
    /// The results that wait to be recorded are too large together: the store is slow.
    Crowded,
    /// As many jobs of paused batches are set aside as may; those behind them are out of reach.
    Parking {
        /// How many that are.
        limit: usize,
    },
    /// A slot is free, and the scheduler does not start it.
    Scheduler,
    /// The host ends: nothing starts any more.
    Draining,
    /// A rule stopped its batch: its end is due as soon as there is room for its record.
    Halted {
        /// The rule.
        rule: String,
    },
    /// A person cancelled its batch: its end is due as soon as there is room for its record.
    Cancelled,
    /// The deadline of its batch has passed: its end is due as soon as there is room for its record.
    BatchDeadline,
    /// Its own end is decided, and due as soon as there is room for its record.
    EndDecided {
        /// How it ends.
        status: Status,
    },
    /// Results of its batch can not be stored: it runs again in another life of the batch.
    StorageFailed {
        /// Why, with the place.
        message: String,
    },
    /// Another host owns its batch, and runs it.
    Fenced,
    /// An attempt runs.
    Running,
    /// An attempt runs and was told to end.
    Stopping {
        /// Why.
        cause: StopCause,
    },
    /// It has ended; its record is on the way.
    Recording {
        /// How it ended.
        status: Status,
    },
    /// It has ended, and its record is where it belongs.
    Ended {
        /// How it ended.
        status: Status,
    },
}

impl Reason {
    /// The name of the reason, as in its serialised form.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Accepting => "accepting",
            Self::NotBefore => "not_before",
            Self::Backoff => "backoff",
            Self::RetryBudget { .. } => "retry_budget",
            Self::Paused { .. } => "paused",
            Self::StorageFull { .. } => "storage_full",
            Self::Suspect { .. } => "suspect",
            Self::Trial { .. } => "trial",
            Self::Slots { .. } => "slots",
            Self::Unanswered { .. } => "unanswered",
            Self::Crowded => "crowded",
            Self::Parking { .. } => "parking",
            Self::Scheduler => "scheduler",
            Self::Draining => "draining",
            Self::Halted { .. } => "halted",
            Self::Cancelled => "cancelled",
            Self::BatchDeadline => "batch_deadline",
            Self::EndDecided { .. } => "end_decided",
            Self::StorageFailed { .. } => "storage_failed",
            Self::Fenced => "fenced",
            Self::Running => "running",
            Self::Stopping { .. } => "stopping",
            Self::Recording { .. } => "recording",
            Self::Ended { .. } => "ended",
        }
    }
}

impl From<&Closing> for Reason {
    fn from(closing: &Closing) -> Self {
        match closing {
            Closing::Halted(reason) => Self::Halted { rule: reason.rule.clone() },
            Closing::Cancelled => Self::Cancelled,
            Closing::DeadlinePassed => Self::BatchDeadline,
        }
    }
}

impl From<&JournalFailure> for Reason {
    fn from(failure: &JournalFailure) -> Self {
        match failure {
            JournalFailure::Fenced => Self::Fenced,
            JournalFailure::Broken(message) => Self::StorageFailed { message: message.clone() },
        }
    }
}

impl From<&Pause> for Reason {
    fn from(pause: &Pause) -> Self {
        match pause {
            Pause::Rule(reason) => Self::Paused { rule: Some(reason.rule.clone()) },
            Pause::StorageFull(message) => Self::StorageFull { message: message.clone() },
            // What a later version may add is no rule.
            _ => Self::Paused { rule: None },
        }
    }
}

/// A clause without a full stop.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepting => f.write_str("not all jobs of the batch are accepted yet"),
            Self::NotBefore => f.write_str("`after` is to come"),
            Self::Backoff => f.write_str("the retry is not due yet"),
            Self::RetryBudget { .. } => f.write_str("the retry budget of the batch is empty"),
            Self::Paused { rule: Some(rule) } => write!(f, "the batch is paused by `{rule}`"),
            Self::Paused { rule: None } => f.write_str("the batch is paused by a person"),
            Self::StorageFull { message } => write!(f, "the store is full: {message}"),
            Self::Suspect { other } => write!(
                f,
                "it may be what took its hosts down: such jobs run one at a time, and another one runs in slot {other}"
            ),
            Self::Trial { limit } => write!(f, "the trial starts no more than {limit}"),
            Self::Slots { limit: 1 } => f.write_str("the only slot is taken"),
            Self::Slots { limit } => write!(f, "all {limit} slots are taken"),
            Self::Unanswered { limit } => {
                write!(f, "the sink is slow: the limit of {limit} results on their way is reached")
            }
            Self::Crowded => f.write_str("the store is slow: the results on their way to it are too large together"),
            Self::Parking { limit } => write!(f, "the room for jobs of paused batches ({limit}) is used up"),
            Self::Scheduler => f.write_str("the scheduler holds it back"),
            Self::Draining => f.write_str("the host drains: nothing starts any more"),
            Self::Halted { rule } => write!(f, "the batch was stopped by `{rule}`"),
            Self::Cancelled => f.write_str("the batch was cancelled"),
            Self::BatchDeadline => f.write_str("the deadline of the batch has passed"),
            Self::EndDecided { status } => write!(f, "the end is decided ({status}) and waits for room for its record"),
            Self::StorageFailed { message } => write!(f, "results can not be stored: {message}"),
            Self::Fenced => f.write_str("another host owns the batch"),
            Self::Running => f.write_str("an attempt runs"),
            Self::Stopping { cause } => write!(f, "the attempt was told to end: {cause}"),
            Self::Recording { status } => write!(f, "{status}, and the record is on the way"),
            Self::Ended { status } => write!(f, "{status}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every() -> Vec<Reason> {
        let (rule, status) = ("soon,fail=3".to_owned(), Status::Cancelled);
        vec![
            Reason::Accepting,
            Reason::NotBefore,
            Reason::Backoff,
            Reason::RetryBudget { burst: NonZeroU32::MIN },
            Reason::Paused { rule: Some(rule.clone()) },
            Reason::StorageFull { message: "no space left".to_owned() },
            Reason::Suspect { other: 2 },
            Reason::Trial { limit: 2 },
            Reason::Slots { limit: 2 },
            Reason::Unanswered { limit: 2 },
            Reason::Crowded,
            Reason::Parking { limit: 2 },
            Reason::Scheduler,
            Reason::Draining,
            Reason::Halted { rule },
            Reason::Cancelled,
            Reason::BatchDeadline,
            Reason::EndDecided { status },
            Reason::StorageFailed { message: "gone".to_owned() },
            Reason::Fenced,
            Reason::Running,
            Reason::Stopping { cause: StopCause::Halt },
            Reason::Recording { status },
            Reason::Ended { status },
        ]
    }

    #[test]
    fn the_name_of_a_reason_is_that_of_its_data_and_its_text_a_clause() {
        for reason in every() {
            let data = serde_json::to_value(&reason).unwrap();
            assert_eq!(data["reason"], reason.name());
            let text = reason.to_string();
            assert!(!text.is_empty() && !text.ends_with('.') && !text.contains('\n'), "{text}");
        }
    }
}
