//! Errors grouped by class and node, each with a count and one example.

use std::{collections::HashMap, sync::Arc};

use batchmill_core::{ErrorClass, JobId, JobResult, Status};

/// More kinds of errors than this are counted together: flows have few nodes and there are eight classes.
const GROUPS_MAX: usize = 100;

/// The longest example that is kept, in characters.
const EXAMPLE_MAX: usize = 1000;

/// Jobs that ended by the same class of error at the same node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    pub(crate) class: ErrorClass,
    pub(crate) node: Option<Arc<str>>,
    pub(crate) jobs: u64,
    /// The first one.
    pub(crate) example: JobId,
    pub(crate) message: String,
}

/// All groups.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    by_key: HashMap<(ErrorClass, Option<Arc<str>>), Group>,
    /// Jobs of groups that found no place.
    pub(crate) others: u64,
}

impl Groups {
    /// Counts a job that ended by an error of its own; jobs that never had a chance are not errors.
    pub(crate) fn take(&mut self, result: &JobResult) {
        let own = matches!(result.status, Status::Failed | Status::TimedOut | Status::Quarantined);
        let Some(error) = result.error.as_ref().filter(|_| own) else { return };
        let key = (error.class, error.node.clone());
        if let Some(group) = self.by_key.get_mut(&key) {
            group.jobs += 1;
        } else if self.by_key.len() < GROUPS_MAX {
            let message = clipped(&error.message, EXAMPLE_MAX);
            let (class, node, example) = (error.class, error.node.clone(), result.job_id.clone());
            self.by_key.insert(key, Group { class, node, jobs: 1, example, message });
        } else {
            self.others += 1;
        }
    }

    /// The largest first; equal ones by class and node.
    pub(crate) fn sorted(&self) -> Vec<&Group> {
        let mut groups: Vec<_> = self.by_key.values().collect();
        groups.sort_by(|a, b| b.jobs.cmp(&a.jobs).then_with(|| (a.class, &a.node).cmp(&(b.class, &b.node))));
        groups
    }
}

/// At most `limit` characters; what was cut is shown by an ellipsis.
pub(crate) fn clipped(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use batchmill_core::JobError;

    use super::*;

    pub(in crate::summary) fn failed(id: u64, class: ErrorClass, node: &str, message: &str) -> JobResult {
        let mut result = JobResult::new(JobId::from(id), id, Status::Failed);
        result.error = Some(Box::new(JobError::new(class, "code", message).at_node(node)));
        result
    }

    #[test]
    fn errors_are_grouped_by_class_and_node_with_the_first_as_example() {
        let mut groups = Groups::default();
        groups.take(&failed(1, ErrorClass::Transient, "b", "one"));
        groups.take(&failed(2, ErrorClass::Timeout, "a", "two"));
        groups.take(&failed(3, ErrorClass::Timeout, "a", "three"));
        groups.take(&JobResult::new(JobId::from(4), 4, Status::Succeeded));
        let mut skipped = failed(5, ErrorClass::Cancelled, "a", "skipped");
        skipped.status = Status::Skipped;
        groups.take(&skipped);
        let seen: Vec<_> =
            groups.sorted().iter().map(|g| (g.class, g.jobs, g.example.to_string(), g.message.as_str())).collect();
        assert_eq!(
            seen,
            [(ErrorClass::Timeout, 2, "2".to_owned(), "two"), (ErrorClass::Transient, 1, "1".to_owned(), "one")]
        );
    }

    #[test]
    fn memory_is_bounded_and_no_job_is_forgotten() {
        let mut groups = Groups::default();
        for id in 0..1000 {
            groups.take(&failed(id, ErrorClass::Permanent, &format!("node-{id}"), &"é".repeat(5000)));
        }
        let kept: u64 = groups.sorted().iter().map(|group| group.jobs).sum();
        assert_eq!((kept, groups.others), (100, 900));
        assert_eq!(groups.sorted()[0].message.chars().count(), 1001);
    }
}
