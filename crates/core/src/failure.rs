//! When failures stop a batch.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{BatchCounts, ErrorClass, JobError, MonoTime, Status};

/// A job that ended for good, as a failure strategy sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct FinalResult {
    /// How it ended.
    pub status: Status,
    /// Why, unless it succeeded.
    pub class: Option<ErrorClass>,
    /// When its end was decided.
    pub at: MonoTime,
}

impl FinalResult {
    /// A job that ended with `status` at `at`.
    pub fn new(status: Status, error: Option<&JobError>, at: MonoTime) -> Self {
        Self { status, class: error.map(|e| e.class), at }
    }
}

/// Why a batch was stopped or paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StopReason {
    /// The rule as the user wrote it, for example `soon,fail=10%`.
    pub rule: String,
    /// What the rule saw, for example `103 of 1000 jobs failed`.
    pub message: String,
    /// Whether reaching the rule is a success of the batch (`success=N`): then it exits 0.
    pub success: bool,
}

impl StopReason {
    /// A stop by `rule`, which is not a success.
    pub fn new(rule: impl Into<String>, message: impl Into<String>) -> Self {
        Self { rule: rule.into(), message: message.into(), success: false }
    }

    /// The same, as a success of the batch.
    #[must_use]
    pub fn as_success(mut self) -> Self {
        self.success = true;
        self
    }
}

/// Why a batch starts nothing until a person lets it go on, or, where its store is full, until there is room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Pause {
    /// A person asked for it.
    Requested,
    /// The failure strategy did.
    Rule(StopReason),
    /// Its store has no room: it goes on by itself. Says what is full.
    StorageFull(String),
}

/// Why a batch takes no more starts and gives its waiting jobs an end. A closed set: whoever reads one decides the end of
/// jobs by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closing {
    /// The failure strategy, or a fatal error, stopped it.
    Halted(StopReason),
    /// A person cancelled it.
    Cancelled,
    /// Its deadline passed.
    DeadlinePassed,
}

/// What a failure strategy answers after each final result.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Directive {
    /// Go on.
    Continue,
    /// Start nothing until a person unpauses the batch.
    Pause(StopReason),
    /// Start nothing more; running jobs finish; the rest is skipped.
    Soon(StopReason),
    /// Start nothing more and stop running jobs; they and the rest are skipped.
    Now(StopReason),
}

/// What became of a batch as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// Every job succeeded.
    Succeeded,
    /// All jobs ended, some not successfully.
    SomeFailed,
    /// The failure strategy, or a fatal error, ended it.
    Halted(StopReason),
    /// A person cancelled it.
    Cancelled,
    /// Its deadline passed.
    DeadlinePassed,
    /// Drained before its end: the rest waits for a resume.
    Drained,
    /// Its results could not be stored.
    StorageFailed(String),
    /// Another host owns it now; what it records counts.
    Fenced,
    /// The host can not go on: a decision plugin panicked. What was recorded is recorded; the rest waits for a new host.
    HostFailed(String),
}

/// Decides when the failures of a batch stop it.
///
/// # The caller promises
/// - one call at a time, one for every job that ends by an attempt (not for jobs that are skipped or cancelled while
///   they wait), in the order in which the ends are decided; a failure that will be retried is not reported;
/// - `total` is the number of jobs of the batch, known before the first start.
///
/// # The implementer promises
/// - its state derives from these calls only, so that a resume can replay them;
/// - after it has answered `Soon` or `Now` its later answers are ignored, and after `Pause` so is every further `Pause`
///   until a person lets the batch go on, of which it is not told: what a pause needs to happen again is counted anew
///   from the answer itself.
pub trait FailureStrategy: Send + fmt::Debug {
    /// A job ended for good.
    fn on_result(&mut self, result: &FinalResult, total: u64) -> Directive;
}

const _: fn(&dyn FailureStrategy) = |_| {};

impl Verdict {
    /// The verdict of a batch that ran to its end.
    pub fn of(counts: &BatchCounts) -> Self {
        if counts.unsuccessful() + counts.skipped + counts.cancelled == 0 { Self::Succeeded } else { Self::SomeFailed }
    }
}
