//! Jobs that did not run, or not to their end, counted by the reason why.

use std::borrow::Cow;

use batchmill_core::{JobResult, Status};
use batchmill_executor::Share;
use serde::Serialize;

/// Reasons beyond this are counted together: a batch is stopped once, so there are few.
const REASONS_MAX: usize = 16;

/// Jobs with one reason.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct NotRun {
    pub(crate) jobs: u64,
    /// `skipped` or `cancelled`; of jobs without a result the counter they stand in, such as `pending`.
    pub(crate) state: &'static str,
    /// The code of the result's error, or the name of the reason.
    pub(crate) reason: Cow<'static, str>,
    /// For people, with what stood in the way.
    pub(crate) message: String,
    /// Whether an attempt had begun.
    #[serde(skip)]
    began: bool,
}

/// What is counted while results pass by.
#[derive(Debug, Default)]
pub(crate) struct Unrun {
    groups: Vec<NotRun>,
    others: u64,
}

impl Unrun {
    /// Counts a job that the batch's end, a person or a rule ended.
    pub(crate) fn take(&mut self, result: &JobResult) {
        let ended_by_others = matches!(result.status, Status::Skipped | Status::Cancelled);
        let Some(error) = result.error.as_ref().filter(|_| ended_by_others) else { return };
        let (state, began) = (result.status.as_str(), result.started_at.is_some());
        let same = |group: &&mut NotRun| (group.state, &group.reason, group.began) == (state, &error.code, began);
        if let Some(group) = self.groups.iter_mut().find(same) {
            group.jobs += 1;
        } else if self.groups.len() < REASONS_MAX {
            let (reason, message) = (error.code.clone(), error.message.clone());
            self.groups.push(NotRun { jobs: 1, state, reason, message, began });
        } else {
            self.others += 1;
        }
    }

    /// These and those that the batch left without a result, the most first.
    pub(crate) fn with(&self, left: &[Share]) -> Vec<NotRun> {
        let left = left.iter().map(|share| NotRun {
            jobs: share.jobs,
            state: share.state,
            reason: share.reason.name().into(),
            message: format!("{}: {}", share.state.replace('_', " "), share.reason),
            began: false,
        });
        let others = (self.others > 0).then(|| NotRun {
            jobs: self.others,
            state: "skipped",
            reason: "other".into(),
            message: "skipped or cancelled for other reasons".to_owned(),
            began: false,
        });
        let mut all: Vec<NotRun> = Vec::new();
        for group in self.groups.iter().cloned().chain(left).chain(others) {
            let told_alike = |told: &&mut NotRun| {
                (told.state, &told.reason, &told.message) == (group.state, &group.reason, &group.message)
            };
            match all.iter_mut().find(told_alike) {
                Some(told) => told.jobs += group.jobs,
                None => all.push(group),
            }
        }
        all.sort_by_key(|group| std::cmp::Reverse(group.jobs));
        all
    }
}

#[cfg(test)]
mod tests {
    use batchmill_core::{ErrorClass, JobError, JobId, WallTime};

    use super::*;

    fn ended(status: Status, code: &'static str, message: &str, began: bool) -> JobResult {
        let mut result = JobResult::new(JobId::from(1), 0, status);
        result.error = Some(Box::new(JobError::new(ErrorClass::Cancelled, code, message)));
        result.started_at = began.then(WallTime::default);
        result
    }

    #[test]
    fn jobs_are_counted_by_what_ended_them_and_whether_they_had_begun() {
        let mut unrun = Unrun::default();
        for _ in 0..3 {
            unrun.take(&ended(Status::Skipped, "halted", "skipped: the batch was stopped by `now,fail=1`", false));
        }
        unrun.take(&ended(Status::Skipped, "halted", "stopped with its batch", true));
        unrun.take(&ended(Status::Failed, "exit_status", "exited with status 1", true));
        unrun.take(&JobResult::new(JobId::from(2), 1, Status::Succeeded));
        let said: Vec<_> = unrun.with(&[]).into_iter().map(|group| (group.jobs, group.message)).collect();
        let expected = [(3, "skipped: the batch was stopped by `now,fail=1`"), (1, "stopped with its batch")];
        assert_eq!(said, expected.map(|(jobs, message)| (jobs, message.to_owned())));
    }

    #[test]
    fn what_is_told_alike_is_told_once() {
        let mut unrun = Unrun::default();
        unrun.take(&ended(Status::Cancelled, "cancelled", "cancelled by request", true));
        unrun.take(&ended(Status::Cancelled, "cancelled", "cancelled by request", false));
        let said: Vec<_> = unrun.with(&[]).into_iter().map(|group| (group.jobs, group.message)).collect();
        assert_eq!(said, [(2, "cancelled by request".to_owned())]);
    }
}
