//! From the tree of the file to a graph that can be compiled.

use super::{Document, FlowProblem, NodeCatalog, nodes, top};
use crate::graph::StateGraph;

pub(super) const KEYS: [&str; 12] = [
    "version",
    "name",
    "description",
    "input",
    "state",
    "defaults",
    "checkpoint",
    "start",
    "max_steps",
    "state_limit",
    "nodes",
    "output",
];

/// Reads everything that can be read; what is wrong goes to `problems`, and a stand-in to the graph.
pub(super) fn read(
    document: &Document,
    catalog: &NodeCatalog,
    problems: &mut Vec<FlowProblem>,
) -> (StateGraph, Option<String>) {
    let mut graph = StateGraph::new(top::name_of_file(&document.file));
    let mut description = None;
    let Some(entries) = document.root.as_map() else {
        problems.push(document.at(&[], format!("a flow is a map, found {}", document.root.what())));
        return (graph, description);
    };
    if document.root.at(&["version"]).is_none() {
        problems.push(document.at(&[], "`version` is missing: write `version: 1`"));
    }
    for (key, value) in entries {
        let path = [key.name.as_str()];
        let result = match key.name.as_str() {
            "version" => top::version(value),
            "name" => top::name(value).map(|name| graph.name = name),
            "description" => top::text(value).map(|text| description = Some(text)),
            "input" => top::schema(value).map(|schema| graph.input_schema = Some(schema)),
            "checkpoint" => top::checkpoint(value).map(|mode| graph.checkpoint = mode),
            "start" => top::names(value).map(|names| graph.start = Some(names)),
            "max_steps" => top::max_steps(value).map(|steps| graph.max_steps = Some(steps)),
            "state_limit" => top::size(value).map(|bytes| graph.state_limit = bytes),
            "output" => {
                graph.output = top::filter(document, &path, value, problems);
                Ok(())
            }
            "state" => top::state(document, value, &mut graph, problems),
            "defaults" => top::defaults(document, value, &mut graph, problems),
            "nodes" => nodes::read(document, value, catalog, &mut graph, problems),
            _ => {
                problems.push(document.unknown_key(&path, &KEYS));
                Ok(())
            }
        };
        if let Err(why) = result {
            match key.name.as_str() {
                "start" => graph.is_incomplete = true,
                // One is given, if not a right one.
                "max_steps" => graph.max_steps = Some(1),
                _ => {}
            }
            problems.push(document.at(&path, why));
        }
    }
    (graph, description)
}
