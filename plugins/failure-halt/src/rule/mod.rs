//! One rule: what it says, how it is written, how it is read.
//!
//! A rule is a line in GNU parallel's grammar (`line`) or a table in config (`table`). Both are taken apart into the same
//! settings with their places; `check` makes a [`Condition`] of them, or finds everything that is wrong.

mod check;
mod error;
mod forestall;
mod line;
mod setting;
mod spec;
mod table;
#[cfg(test)]
mod tests;
mod threshold;

use std::{fmt, str::FromStr};

use batchmill_core::ErrorClass;

pub use error::{Error, Fault, Place};
pub(crate) use forestall::forestalled;
pub use spec::RuleSpec;
pub(crate) use spec::schema::AnyRule;
pub(crate) use threshold::Threshold;

/// When and how a batch stops or pauses, for example `soon,fail=10%`. Displays as it was written; what was a short form
/// or a table displays as the line that means the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    text: String,
    condition: Option<Condition>,
}

/// What a rule says. It holds together: `check` has seen to that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) action: Action,
    pub(crate) counted: Counted,
    pub(crate) threshold: Threshold,
    /// What a percentage is of.
    pub(crate) of: Of,
    /// Ends that are waited for, where the rule says so itself.
    pub(crate) min_sample: Option<u64>,
    /// Only so many of the last ends are looked at.
    pub(crate) window: Option<u64>,
    /// Only failures of these classes are counted, in the order of the reference; none named: all.
    pub(crate) classes: Vec<ErrorClass>,
}

/// What happens to the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing starts any more; running jobs finish.
    Soon,
    /// Running jobs are stopped too.
    Now,
    /// Nothing starts until a person lets it go on.
    Pause,
}

/// Which ends are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    Failed,
    Succeeded,
    Done,
}

/// What a percentage is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// All jobs of the batch.
    Total,
    /// Those that have ended, in the window if there is one.
    Done,
}

impl Action {
    const NAMES: [(&str, Self); 3] = [("soon", Self::Soon), ("now", Self::Now), ("pause", Self::Pause)];
}

impl Condition {
    /// The ends that are waited for, where options say `min_sample` for the rules that do not: a percentage that one bad
    /// start could reach. A share of all jobs that succeeded or ended is reached by that many jobs and no fewer.
    pub(crate) fn min_sample(&self, default: u64) -> u64 {
        let sampled = matches!(self.threshold, Threshold::Share { .. })
            && (self.counted == Counted::Failed || self.of == Of::Done);
        self.min_sample.unwrap_or(if sampled { default } else { 0 })
    }

    /// Whether the last job of the batch may reach it: there is nothing left to pause, and a batch whose jobs have all
    /// ended was not stopped because so many have.
    pub(crate) fn heeds_the_last_job(&self) -> bool {
        self.action != Action::Pause && self.counted != Counted::Done
    }
}

impl Rule {
    /// Whether it is `never`.
    pub fn is_never(&self) -> bool {
        self.condition.is_none()
    }

    pub(crate) fn condition(&self) -> Option<&Condition> {
        self.condition.as_ref()
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Rule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = line::expand(text);
        let condition = if text == "never" { None } else { Some(line::read(&text)?) };
        Ok(Self { text: text.into_owned(), condition })
    }
}
