//! Retry settings of nodes: the same ones share one policy.

use std::collections::HashMap;

use batchmill_core::{Options, RetryRef};

use super::{GraphProblem, StateGraph};

/// The distinct retry settings, and which of them each node has.
pub(super) struct RetryTable {
    pub(super) settings: Vec<Options>,
    pub(super) refs: Vec<RetryRef>,
}

impl RetryTable {
    pub(super) fn new(graph: &StateGraph, problems: &mut Vec<GraphProblem>) -> Self {
        let mut table = Self { settings: Vec::new(), refs: Vec::with_capacity(graph.nodes.len()) };
        let mut known: HashMap<String, RetryRef> = HashMap::new();
        for (name, spec) in &graph.nodes {
            let mut merged = graph.defaults.retry.clone().unwrap_or_default();
            merged.extend(spec.retry.clone().unwrap_or_default());
            if merged.is_empty() {
                table.refs.push(RetryRef::default());
                continue;
            }
            // Settings are the same whatever the order of their keys.
            merged.sort_keys();
            let text = serde_json::Value::Object(merged.clone()).to_string();
            let place = *known.entry(text).or_insert_with(|| {
                table.settings.push(merged);
                RetryRef(u16::try_from(table.settings.len()).unwrap_or_default())
            });
            if place == RetryRef::default() {
                problems.push(GraphProblem::at_node(name, &["retry"], "more than 65535 different retry settings"));
            }
            table.refs.push(place);
        }
        table
    }
}
