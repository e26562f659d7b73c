//! Numbers that stand for words.

use batchmill_core::{ErrorClass, Status};

/// Done, or accepted.
pub const OK: i32 = 0;
/// Nothing to answer: not here, no value.
pub const NONE: i32 = 1;
/// It failed; the message says why.
pub const ERROR: i32 = -1;
/// It panicked; the instance is poisoned.
pub const PANIC: i32 = -2;
/// It panicked before; nothing was done.
pub const POISONED: i32 = -3;
/// The options are wrong: the message is a JSON list of problems.
pub const CONFIG: i32 = -4;
/// It failed, and trying the same again may help.
pub const TEMPORARY: i32 = -5;
/// The reader is gone and nobody wants the rest.
pub const CLOSED: i32 = -6;

/// A scheduler.
pub const KIND_SCHEDULER: u32 = 1;
/// A retry policy.
pub const KIND_RETRY: u32 = 2;
/// A failure strategy.
pub const KIND_FAILURE: u32 = 3;
/// A governor.
pub const KIND_GOVERNOR: u32 = 4;
/// A result sink.
pub const KIND_SINK: u32 = 5;
/// A node kind: not frozen, its version is 0.
pub const KIND_NODE: u32 = 6;
/// A checkpointer: not frozen, its version is 0.
pub const KIND_CHECKPOINTER: u32 = 7;

/// The version of the frozen kinds.
pub const KIND_VERSION: u32 = 1;

/// A scheduler picked a job: the value is its token.
pub const PICK_RUN: u32 = 0;
/// Nothing may start before a moment: the value is that moment.
pub const PICK_NOT_BEFORE: u32 = 1;
/// Nothing may start.
pub const PICK_EMPTY: u32 = 2;

/// Go on.
pub const DIRECTIVE_CONTINUE: u32 = 0;
/// Start nothing until a person lets the batch go on.
pub const DIRECTIVE_PAUSE: u32 = 1;
/// Start nothing more.
pub const DIRECTIVE_SOON: u32 = 2;
/// Stop what runs too.
pub const DIRECTIVE_NOW: u32 = 3;

/// Retry after a delay.
pub const RETRY_AFTER: u32 = 0;
/// Do not retry.
pub const RETRY_GIVE_UP: u32 = 1;

/// A resumed sink is behind its mark.
pub const RESUMED_AT_MARK: u32 = 0;
/// A resumed sink is empty.
pub const RESUMED_EMPTY: u32 = 1;

/// A metric that only grows.
pub const METRIC_COUNTER: u32 = 0;
/// A metric that goes up and down.
pub const METRIC_GAUGE: u32 = 1;
/// A metric of observations.
pub const METRIC_HISTOGRAM: u32 = 2;

/// Adds to a counter or a gauge.
pub const METRIC_ADD: u32 = 0;
/// Sets a gauge, or a counter that is at most as large.
pub const METRIC_SET: u32 = 1;
/// Records an observation.
pub const METRIC_RECORD: u32 = 2;

/// Level of a log record.
pub const LOG_ERROR: u32 = 1;
/// Level of a log record.
pub const LOG_WARN: u32 = 2;
/// Level of a log record.
pub const LOG_INFO: u32 = 3;
/// Level of a log record.
pub const LOG_DEBUG: u32 = 4;
/// Level of a log record.
pub const LOG_TRACE: u32 = 5;

/// No error, or a class that this version has no number for.
pub const CLASS_NONE: u32 = 0;

/// The classes by their numbers, from 1.
const CLASSES: [ErrorClass; 8] = [
    ErrorClass::Transient,
    ErrorClass::Recoverable,
    ErrorClass::Permanent,
    ErrorClass::Fatal,
    ErrorClass::Timeout,
    ErrorClass::Resource,
    ErrorClass::Crash,
    ErrorClass::Cancelled,
];

/// How jobs end, by their numbers, from 1.
const STATUSES: [Status; 6] =
    [Status::Succeeded, Status::Failed, Status::TimedOut, Status::Cancelled, Status::Skipped, Status::Quarantined];

/// The number of a class; [`CLASS_NONE`] for none.
#[cfg(feature = "host")]
pub(crate) fn class_code(class: Option<ErrorClass>) -> u32 {
    class.and_then(|class| number_of(&CLASSES, class)).unwrap_or(CLASS_NONE)
}

/// The class of a number.
pub(crate) fn class_of(code: u32) -> Option<ErrorClass> {
    at_number(&CLASSES, code)
}

/// The number of a status.
#[cfg(feature = "host")]
pub(crate) fn status_code(status: Status) -> u32 {
    number_of(&STATUSES, status).unwrap_or(0)
}

/// The status of a number.
pub(crate) fn status_of(code: u32) -> Option<Status> {
    at_number(&STATUSES, code)
}

#[cfg(feature = "host")]
fn number_of<T: PartialEq>(all: &[T], one: T) -> Option<u32> {
    all.iter().position(|each| *each == one).and_then(|place| u32::try_from(place + 1).ok())
}

fn at_number<T: Copy>(all: &[T], code: u32) -> Option<T> {
    all.get((code as usize).checked_sub(1)?).copied()
}

/// The word of a kind, as `plugin list` has it.
pub fn kind_word(kind: u32) -> Option<&'static str> {
    let words = ["scheduler", "retry", "failure", "governor", "sink", "node", "checkpointer"];
    words.get((kind as usize).checked_sub(1)?).copied()
}

#[cfg(all(test, feature = "host"))]
mod tests {
    use super::*;

    #[test]
    fn every_class_and_every_status_has_a_number_of_its_own() {
        for class in ErrorClass::ALL {
            assert_eq!(class_of(class_code(Some(class))), Some(class));
        }
        for status in Status::ALL {
            assert_eq!(status_of(status_code(status)), Some(status));
        }
        assert_eq!(
            (class_of(0), class_of(99), status_of(0), kind_word(0), kind_word(8)),
            (None, None, None, None, None)
        );
    }
}
