//! A superstep as it is shown: what its nodes did, and what became of the state.

use std::time::Duration;

use batchmill_core::{JobError, NodeError, StateData};
use batchmill_flow::{NodeRun, RunEnd};
use serde_json::{Value, json};

/// What a batch would do about a failure.
pub(super) enum Retry {
    /// Try again, after this long at most.
    Within(Duration),
    /// Not try again, for this reason.
    No(String),
}

/// One node of a superstep.
pub(super) struct Visit {
    pub(super) run: NodeRun,
    /// Of one that failed by itself.
    pub(super) retry: Option<Retry>,
}

/// A key of the state that is not as it was.
pub(super) struct Change {
    pub(super) key: String,
    pub(super) from: Option<Value>,
    pub(super) to: Option<Value>,
}

/// A superstep.
pub(super) struct Step {
    pub(super) number: u64,
    pub(super) took: Duration,
    pub(super) visits: Vec<Visit>,
    pub(super) changes: Vec<Change>,
}

impl Step {
    pub(super) fn new(
        runs: Vec<NodeRun>,
        before: &StateData,
        after: &StateData,
        took: Duration,
        retry: impl Fn(&NodeError, usize) -> Option<Retry>,
    ) -> Self {
        let number = runs.first().map_or(0, |run| run.step);
        let visit = |run: NodeRun| {
            let error = match &run.end {
                RunEnd::Updated(_) => None,
                RunEnd::Handled(error) => Some(as_node_error(error)),
                RunEnd::Failed(error) => Some(error.clone()),
            };
            let retry = error.and_then(|error| retry(&error, usize::from(run.retry.0)));
            Visit { run, retry }
        };
        Self { number, took, visits: runs.into_iter().map(visit).collect(), changes: changes(before, after) }
    }

    pub(super) fn to_json(&self) -> Value {
        let nodes: Vec<Value> = self.visits.iter().map(Visit::to_json).collect();
        let changes =
            self.changes.iter().map(|change| (change.key.clone(), json!({"from": change.from, "to": change.to})));
        let state: serde_json::Map<String, Value> = changes.collect();
        json!({"superstep": self.number, "duration_seconds": self.took.as_secs_f64(), "nodes": nodes, "state": state})
    }
}

impl Visit {
    fn to_json(&self) -> Value {
        let (update, error, handled) = match &self.run.end {
            RunEnd::Updated(update) => (Some(update), None, false),
            RunEnd::Handled(error) => (None, Some((error.class, &error.code, &error.message)), true),
            RunEnd::Failed(error) => (None, Some((error.class, &error.code, &error.message)), false),
        };
        let error = error.map(|(class, code, message)| {
            let (again, after, why) = match &self.retry {
                Some(Retry::Within(delay)) => (true, Some(delay.as_secs_f64()), None),
                Some(Retry::No(why)) => (false, None, Some(why)),
                None => (false, None, None),
            };
            json!({"class": class, "code": code, "message": message, "handled": handled,
                "retry": {"again": again, "within_seconds": after, "reason": why}})
        });
        json!({"node": &*self.run.node, "notes": self.run.notes, "update": update, "error": error})
    }
}

fn as_node_error(error: &JobError) -> NodeError {
    let mut made = NodeError::new(error.class, error.code.clone(), error.message.clone());
    made.retry_after = error.retry_after;
    made
}

fn changes(before: &StateData, after: &StateData) -> Vec<Change> {
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    let keys = after.keys().filter(|key| before.get(*key) != after.get(*key)).chain(gone);
    keys.map(|key| Change { key: key.clone(), from: before.get(key).cloned(), to: after.get(key).cloned() }).collect()
}
