//! One rule while the batch runs: what it has seen, and whether that is enough.

use std::collections::VecDeque;

use batchmill_core::{ErrorClass, FinalResult, Status};

use crate::rule::{Condition, Counted, Of, Rule, Threshold};

/// How a job ended, as far as rules care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Succeeded,
    Failed(Option<ErrorClass>),
}

impl End {
    /// Nothing for a job that did not end by itself.
    pub(crate) fn of(result: &FinalResult) -> Option<Self> {
        match result.status {
            Status::Succeeded => Some(Self::Succeeded),
            Status::Failed | Status::TimedOut | Status::Quarantined => Some(Self::Failed(result.class)),
            _ => None,
        }
    }
}

/// A rule and what it has seen. A rule that pauses counts anew from its last pause.
#[derive(Debug)]
pub(crate) struct Watch {
    rule: Rule,
    condition: Condition,
    min_sample: u64,
    /// Ends since the last pause.
    ended: u64,
    /// Those of them that the rule counts; with a window, those in the window.
    counted: u64,
    /// Whether each end in the window is counted, the oldest first. At most as many as the window takes.
    recent: VecDeque<bool>,
    paused_before: bool,
}

impl Watch {
    /// Watches for a rule, unless it is `never`.
    pub(crate) fn new(rule: Rule, min_sample: u64) -> Option<Self> {
        let condition = rule.condition()?.clone();
        let min_sample = condition.min_sample(min_sample);
        let recent = VecDeque::new();
        Some(Self { rule, condition, min_sample, ended: 0, counted: 0, recent, paused_before: false })
    }

    pub(crate) fn rule(&self) -> &Rule {
        &self.rule
    }

    pub(crate) fn condition(&self) -> &Condition {
        &self.condition
    }

    pub(crate) fn see(&mut self, end: End) {
        let counts = match (self.condition.counted, end) {
            (Counted::Done, _) | (Counted::Succeeded, End::Succeeded) => true,
            (Counted::Failed, End::Failed(class)) => {
                let classes = &self.condition.classes;
                classes.is_empty() || class.is_some_and(|class| classes.contains(&class))
            }
            _ => false,
        };
        self.ended += 1;
        self.counted += u64::from(counts);
        let Some(window) = self.condition.window else { return };
        self.recent.push_back(counts);
        if self.recent.len() as u64 > window {
            let left = self.recent.pop_front().unwrap_or_default();
            self.counted -= u64::from(left);
        }
    }

    /// Whether what was seen reaches the rule, in a batch of `total` jobs.
    pub(crate) fn is_reached(&self, total: u64) -> bool {
        self.sample() >= self.min_sample && self.condition.threshold.is_reached(self.counted, self.whole(total))
    }

    /// Begins to count anew.
    pub(crate) fn pause(&mut self) {
        (self.ended, self.counted, self.paused_before) = (0, 0, true);
        self.recent.clear();
    }

    /// The ends that it looks at.
    fn sample(&self) -> u64 {
        self.condition.window.map_or(self.ended, |window| self.ended.min(window))
    }

    /// What a percentage is of.
    fn whole(&self, total: u64) -> u64 {
        match self.condition.of {
            Of::Total => total,
            Of::Done => self.sample(),
        }
    }

    /// What it saw, for example `3 of 10 jobs failed`.
    pub(crate) fn message(&self, total: u64) -> String {
        let counted = self.counted;
        let done = match self.condition.counted {
            Counted::Failed => "failed",
            Counted::Succeeded => "succeeded",
            Counted::Done => "ended",
        };
        let of = match (self.condition.window, self.condition.of, self.condition.threshold) {
            (Some(_), ..) => format!("the last {} jobs", self.sample()),
            (None, Of::Done, Threshold::Share { .. }) => format!("{} ended jobs", self.sample()),
            _ => format!("{total} jobs"),
        };
        let classes: Vec<&str> = self.condition.classes.iter().map(|class| class.as_str()).collect();
        let by = if classes.is_empty() { String::new() } else { format!(" by {}", classes.join(" or ")) };
        let since = if self.paused_before { " since the last pause" } else { "" };
        format!("{counted} of {of} {done}{by}{since}")
    }
}
