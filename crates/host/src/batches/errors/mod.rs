//! What failed, grouped: jobs that failed in the same way are one line, whatever numbers, ids and paths their messages name.

mod alike;
mod kind;

use std::{collections::HashMap, sync::Arc};

use batchmill_core::{ErrorClass, JobId, JobResult};
use serde::Serialize;
use serde_json::Value;

use super::{Found, latest::Latest};
use crate::{problems::Refusal, stdout, summary::clipped};

use self::kind::{Kind, MESSAGE_MAX};

pub(crate) use self::kind::GroupId;

/// Kinds of errors that are told apart; the rest is counted together.
const GROUPS_MAX: usize = 1_000;

/// Jobs that are named as examples.
const EXAMPLES: usize = 3;

/// The longest message that a table shows, in characters.
const MESSAGE_SHOWN: usize = 100;

/// Jobs that failed alike.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Group {
    /// By which `retry` and `results` know it.
    group: GroupId,
    jobs: u64,
    class: ErrorClass,
    code: String,
    node: Option<Arc<str>>,
    /// What the messages have in common.
    message: String,
    /// The first jobs.
    examples: Vec<JobId>,
    /// The message of the first job, as it is.
    example_message: String,
}

impl Found {
    /// Why jobs failed; of a batch that was retried, as of the last try.
    pub(crate) fn errors(&self) -> Result<Groups, Refusal> {
        let mut groups = Groups::default();
        let mut failures = Latest::failures(self)?;
        while let Some(page) = failures.page()? {
            page.iter().for_each(|told| groups.take(&told.result));
        }
        Ok(groups)
    }
}

/// All groups.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    groups: HashMap<Kind, Group>,
    /// Jobs of kinds beyond the bound.
    others: u64,
}

impl Groups {
    /// Counts a job that ended by an error of its own; jobs that were stopped by others did not fail.
    pub(super) fn take(&mut self, result: &JobResult) {
        let (Some(kind), Some(error)) = (Kind::of(result), &result.error) else { return };
        let is_full = self.groups.len() >= GROUPS_MAX;
        match self.groups.get_mut(&kind) {
            Some(group) => {
                group.jobs += 1;
                if group.examples.len() < EXAMPLES {
                    group.examples.push(result.job_id.clone());
                }
            }
            None if is_full => self.others += 1,
            None => {
                let group = Group::begun_by(&result.job_id, kind.clone(), clipped(&error.message, MESSAGE_MAX));
                self.groups.insert(kind, group);
            }
        }
    }

    /// The largest first; equal ones by what they are.
    fn sorted(&self) -> Vec<&Group> {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by(|(a_key, a), (b_key, b)| b.jobs.cmp(&a.jobs).then_with(|| a_key.cmp(b_key)));
        groups.into_iter().map(|(_, group)| group).collect()
    }

    /// One object a group; fields are added, never renamed or removed.
    pub(crate) fn json(&self) -> Vec<Value> {
        let object = |group: &&Group| serde_json::to_value(group).expect("texts and numbers are JSON");
        self.sorted().iter().map(object).collect()
    }

    /// For people.
    pub(crate) fn table(&self) -> String {
        let groups = self.sorted();
        if groups.is_empty() {
            return "No job has failed.\n".to_owned();
        }
        let rows: Vec<[String; 7]> = groups.iter().map(|group| group.row()).collect();
        let rows: Vec<[&str; 7]> = rows.iter().map(|row| row.each_ref().map(String::as_str)).collect();
        let mut table = stdout::table(["GROUP", "JOBS", "CLASS", "CODE", "NODE", "FOR EXAMPLE", "MESSAGE"], &rows);
        if self.others > 0 {
            table.push_str(&format!("and {} jobs that failed in other ways\n", self.others));
        }
        table
    }
}

impl Group {
    fn begun_by(job: &JobId, kind: Kind, example_message: String) -> Self {
        let group = kind.id();
        let Kind { class, code, node, message } = kind;
        Self { group, jobs: 1, class, code, node, message, examples: vec![job.clone()], example_message }
    }

    fn row(&self) -> [String; 7] {
        let examples: Vec<_> = self.examples.iter().map(JobId::as_str).collect();
        [
            self.group.to_string(),
            self.jobs.to_string(),
            self.class.to_string(),
            self.code.clone(),
            self.node.as_deref().unwrap_or("-").to_owned(),
            clipped(&examples.join(", "), MESSAGE_SHOWN),
            clipped(&self.message, MESSAGE_SHOWN),
        ]
    }
}

#[cfg(test)]
mod tests {
    use batchmill_core::{JobError, Status};
    use insta::assert_snapshot;

    use super::*;

    fn failed(id: u64, class: ErrorClass, node: Option<&str>, message: &str) -> JobResult {
        let mut result = JobResult::new(JobId::from(id), id, Status::Failed);
        let error = JobError::new(class, "exit_status", message);
        result.error = Some(Box::new(match node {
            Some(node) => error.at_node(node),
            None => error,
        }));
        result
    }

    #[test]
    fn jobs_that_failed_alike_are_one_line() {
        let mut groups = Groups::default();
        assert_eq!(groups.table(), "No job has failed.\n");
        for id in 1..=5 {
            groups.take(&failed(
                id,
                ErrorClass::Transient,
                Some("fetch"),
                &format!("port {id}: refused after {id}.5s"),
            ));
        }
        groups.take(&failed(6, ErrorClass::Transient, Some("store"), "port 6: refused after 6.5s"));
        groups.take(&failed(7, ErrorClass::Timeout, None, "took longer than 30s"));
        groups.take(&JobResult::new(JobId::from(8), 8, Status::Succeeded));
        let mut skipped = failed(9, ErrorClass::Cancelled, None, "skipped");
        skipped.status = Status::Skipped;
        groups.take(&skipped);
        assert_snapshot!(groups.table(), @r"
        GROUP       JOBS  CLASS      CODE         NODE   FOR EXAMPLE  MESSAGE
        aee22317fc  5     transient  exit_status  fetch  1, 2, 3      port #: refused after #s
        6cdd4d3164  1     transient  exit_status  store  6            port #: refused after #s
        f0e5b2a3f3  1     timeout    exit_status  -      7            took longer than #s
        ");
        assert_eq!(groups.json()[0]["example_message"], "port 1: refused after 1.5s");
    }

    #[test]
    fn memory_is_bounded_and_no_job_is_forgotten() {
        let mut groups = Groups::default();
        for id in 0..3_000 {
            groups.take(&failed(id, ErrorClass::Permanent, Some(&format!("node-{id}")), "broken"));
        }
        let kept: u64 = groups.sorted().iter().map(|group| group.jobs).sum();
        assert_eq!((kept, groups.others), (1_000, 2_000));
        assert!(groups.table().ends_with("and 2000 jobs that failed in other ways\n"));
    }
}
