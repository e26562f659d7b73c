//! The settings of `aggregate`.

use std::{collections::BTreeSet, path::PathBuf};

use batchmill_core::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::aggregate::Aggregate;

/// What is made of the results of a batch, and where it is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Options {
    /// The file, a JSON object; relative to the folder that the host names. Without it the aggregates are in the report only.
    #[serde(default)]
    pub path: Option<PathBuf>,
    /// Whether a file that has content is replaced. Without it such a file is refused.
    #[serde(default)]
    pub overwrite: bool,
    /// The aggregates; one at least.
    pub aggregates: Vec<AggregateOptions>,
}

/// One way to look at all results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AggregateOptions {
    /// What it is called.
    pub name: String,
    /// jq over a result: only where it is neither null nor false; all without it.
    #[serde(rename = "where", default)]
    pub condition: Option<String>,
    /// jq over a result: the group that it is in. A text, a number, a truth value or null.
    #[serde(default)]
    pub group: Option<String>,
    /// Groups that are kept apart, by their first results; the others are counted together as `other`. 1 to 100,000.
    #[serde(default = "groups_max")]
    #[schemars(range(min = 1, max = 100_000))]
    pub groups_max: usize,
    /// jq over a result: the number that the statistics are of; null has none. Default: `.duration_seconds`.
    #[serde(default)]
    pub value: Option<String>,
    /// What is told of each group: `count`, `values` (results that have one), `sum`, `mean`, `min`, `max`, and percentiles such
    /// as `p99`. Default: count, sum, mean, min, max, p50, p90 and p99; with `reduce` and no `value`, count only.
    #[serde(default)]
    pub statistics: Option<Vec<String>>,
    /// A value that each result changes, in order of completion.
    #[serde(default)]
    pub reduce: Option<Reduce>,
}

/// A value that each result changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Reduce {
    /// The value before the first result.
    #[serde(default)]
    pub initial: Value,
    /// jq: from the value before (`.`) and a result (`$item`) to the value after it. At most 64 KiB as JSON.
    pub update: String,
}

fn groups_max() -> usize {
    1_000
}

impl AggregateOptions {
    /// Statistics of the duration of all results.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            condition: None,
            group: None,
            groups_max: groups_max(),
            value: None,
            statistics: None,
            reduce: None,
        }
    }
}

impl Options {
    /// Writes `aggregates` to `path`, which must not have content.
    pub fn new(path: impl Into<PathBuf>, aggregates: Vec<AggregateOptions>) -> Self {
        Self { path: Some(path.into()), overwrite: false, aggregates }
    }

    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        match &self.path {
            Some(path) if path.as_os_str().is_empty() => problems.push(Problem::new(["path"], "must name a file")),
            None if self.overwrite => {
                problems.push(Problem::new(["overwrite"], "means nothing without `path`: there is no file"));
            }
            _ => {}
        }
        if self.aggregates.is_empty() {
            problems.push(Problem::new(["aggregates"], "must have one at least"));
        }
        let mut names = BTreeSet::new();
        for (place, options) in self.aggregates.iter().enumerate() {
            let below = |problem: Problem| problem.below(place.to_string()).below("aggregates");
            problems.extend(Aggregate::compile(options).err().unwrap_or_default().into_iter().map(below));
            if !names.insert(&options.name) {
                let path = ["aggregates", &place.to_string(), "name"];
                problems.push(Problem::new(path, format!("`{}` is there twice", options.name)));
            }
        }
        problems
    }
}
