//! What went wrong, by what a caller can do about it.

use std::{borrow::Cow, fmt, str::FromStr, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::WallTime;

/// The class of an error. Retry policies and failure strategies read it; nothing ever decides by a message text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorClass {
    /// May pass by itself: try again.
    Transient,
    /// Passes after a delay that the other side names.
    Recoverable,
    /// The same input fails again: do not retry.
    Permanent,
    /// Something that makes the whole batch pointless: stops it now.
    Fatal,
    /// A time limit was reached.
    Timeout,
    /// Memory, output size or another resource ran out.
    Resource,
    /// A panic, or a process ended by a signal that was not ours.
    Crash,
    /// Stopped by a person or by the host.
    Cancelled,
}

impl ErrorClass {
    /// All classes, in the order of the reference.
    pub const ALL: [Self; 8] = [
        Self::Transient,
        Self::Recoverable,
        Self::Permanent,
        Self::Fatal,
        Self::Timeout,
        Self::Resource,
        Self::Crash,
        Self::Cancelled,
    ];

    /// The class as written in results, config and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Recoverable => "recoverable",
            Self::Permanent => "permanent",
            Self::Fatal => "fatal",
            Self::Timeout => "timeout",
            Self::Resource => "resource",
            Self::Crash => "crash",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no error class.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an error class (transient, recoverable, permanent, fatal, timeout, resource, crash, cancelled)")]
pub struct UnknownErrorClass(String);

impl FromStr for ErrorClass {
    type Err = UnknownErrorClass;
    fn from_str(text: &str) -> Result<Self, UnknownErrorClass> {
        Self::ALL.into_iter().find(|class| class.as_str() == text).ok_or_else(|| UnknownErrorClass(text.to_owned()))
    }
}

/// One attempt that did not succeed, as listed in `error.history`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AttemptRecord {
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// Why it ended.
    pub class: ErrorClass,
    /// The message of its error.
    pub message: String,
    /// When it ended.
    pub at: WallTime,
    /// How long it ran.
    #[serde(rename = "duration_seconds", with = "seconds")]
    pub duration: Duration,
}

impl AttemptRecord {
    /// A record of attempt number `attempt`.
    pub fn new(attempt: u32, class: ErrorClass, message: String, at: WallTime, duration: Duration) -> Self {
        Self { attempt, class, message, at, duration }
    }
}

/// Why a job did not succeed. Displays as its message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct JobError {
    /// By what a caller can do.
    pub class: ErrorClass,
    /// A stable code for programs, for example `exit_status`, `spawn_failed`, `no_branch`.
    pub code: Cow<'static, str>,
    /// A sentence for people.
    pub message: String,
    /// The node that failed, if one did.
    pub node: Option<Arc<str>>,
    /// The delay that the other side asked for.
    #[serde(with = "optional_seconds")]
    pub retry_after: Option<Duration>,
    /// What the node got before it failed, where it hands that on: the output of a process. Absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Box<Value>>,
    /// Every attempt that did not succeed, oldest first.
    pub history: Vec<AttemptRecord>,
}

impl JobError {
    /// An error without node, delay and history.
    pub fn new(class: ErrorClass, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            class,
            code: code.into(),
            message: message.into(),
            node: None,
            retry_after: None,
            output: None,
            history: Vec::new(),
        }
    }

    /// Names the node that failed.
    #[must_use]
    pub fn at_node(mut self, node: impl Into<Arc<str>>) -> Self {
        self.node = Some(node.into());
        self
    }
}

/// Durations as seconds, the unit of every outward field named `*_seconds`.
pub(crate) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    /// Microseconds are the finest that is kept: `0.0123449` says no more than `0.012345`.
    pub(crate) fn rounded(duration: Duration) -> f64 {
        (duration.as_secs_f64() * 1e6).round() / 1e6
    }

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(rounded(*duration))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
    }
}

mod optional_seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::seconds::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Option::<f64>::deserialize(deserializer)?
            .map(|seconds| Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_reads_back_as_it_is_written() {
        for class in ErrorClass::ALL {
            assert_eq!(class.as_str().parse(), Ok(class));
            assert_eq!(serde_json::to_value(class).unwrap(), class.as_str());
        }
        assert!("timeouts".parse::<ErrorClass>().is_err());
    }

    #[test]
    fn a_job_error_displays_as_its_message_and_carries_its_place() {
        let error = JobError::new(ErrorClass::Permanent, "no_branch", "no arm matched").at_node("verdict");
        assert_eq!(error.to_string(), "no arm matched");
        assert_eq!(
            serde_json::to_value(&error).unwrap(),
            serde_json::json!({"class": "permanent", "code": "no_branch", "message": "no arm matched",
                "node": "verdict", "retry_after": null, "history": []})
        );
    }
}
