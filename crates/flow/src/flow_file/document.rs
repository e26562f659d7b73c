//! The parsed file: puts problems at their places.

use std::sync::Arc;

use batchmill_core::Problem;

use super::FlowProblem;
use crate::{graph::GraphProblem, yaml::Located};

#[derive(Debug)]
pub(super) struct Document {
    pub(super) file: Arc<str>,
    pub(super) root: Located,
}

impl Document {
    pub(super) fn new(file: &str, root: Located) -> Self {
        Self { file: file.into(), root }
    }

    /// A problem with the value at `path`.
    pub(super) fn at(&self, path: &[&str], message: impl Into<String>) -> FlowProblem {
        self.of_option(&[] as &[&str], &Problem::new(path.iter().copied(), message))
    }

    /// A problem with the key that `path` ends with.
    pub(super) fn at_key(&self, path: &[&str], message: impl Into<String>) -> FlowProblem {
        let mut problem = Problem::new(path.iter().copied(), message);
        problem.at_key = true;
        self.of_option(&[] as &[&str], &problem)
    }

    /// A key that is none of `known`.
    pub(super) fn unknown_key(&self, path: &[&str], known: &[&str]) -> FlowProblem {
        self.of_option(&[] as &[&str], &Problem::unknown_key(path.iter().copied(), known))
    }

    /// A problem that somebody has with the options at `root`.
    pub(super) fn of_option<S: AsRef<str>>(&self, root: &[S], problem: &Problem) -> FlowProblem {
        let path: Vec<String> =
            root.iter().map(|key| key.as_ref().to_owned()).chain(problem.path.iter().cloned()).collect();
        let place = self.root.place(&path, problem.offset, problem.at_key);
        FlowProblem::new(self.file.clone(), place, path, problem.message.clone())
    }

    /// A problem of the graph as a whole.
    pub(super) fn of_graph(&self, problem: &GraphProblem) -> FlowProblem {
        let mut path = problem.path();
        // The graph counts a single `next: NAME` as a list of one, and a loop may be closed by another key.
        while !path.is_empty() && self.root.at(&path).is_none() {
            path.pop();
        }
        let whole = problem.path().len() == path.len();
        let at_key = problem.key.is_empty() || (whole && path.len() < 2);
        let place = self.root.place(&path, None, at_key);
        FlowProblem::new(self.file.clone(), place, path, problem.message.clone())
    }
}
