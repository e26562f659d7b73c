//! From names to indices, and every check on the graph as a whole.

use std::{num::NonZeroU32, sync::OnceLock};

use batchmill_core::{StateData, format_size};

use super::{
    CompiledGraph, GraphProblem, Reduce, StateGraph, cost, cycles::Loops, edges::Edges, input::InputSchema,
    retry_table::RetryTable, size::size_of,
};

/// More would not fit into the indices.
const NODES_MAX: usize = 1_000_000;

pub(super) fn compile(graph: StateGraph) -> Result<CompiledGraph, Vec<GraphProblem>> {
    let mut problems = Vec::new();
    if graph.nodes.len() > NODES_MAX {
        return Err(vec![GraphProblem::of_flow(
            &["nodes"],
            format!("{} nodes; a flow has at most {NODES_MAX}", graph.nodes.len()),
        )]);
    }
    if graph.nodes.is_empty() {
        problems.push(GraphProblem::of_flow(&["nodes"], "a flow has at least one node"));
    }
    if graph.max_steps == Some(0) {
        problems.push(GraphProblem::of_flow(&["max_steps"], "must be at least 1"));
    }
    let (channels, initial) = channels(&graph, &mut problems);
    if size_of(&initial) > graph.state_limit {
        let message = format!("the defaults of `state` alone are larger than {}", format_size(graph.state_limit));
        problems.push(GraphProblem::of_flow(&["state_limit"], message));
    }
    let input_schema = input_schema(&graph, &mut problems);
    limits(&graph, &mut problems);
    let edges = Edges::resolve(&graph, &mut problems);
    let entry = edges.entry(&graph, &mut problems);
    let successors = edges.successors();
    let loops = Loops::find(&successors);
    if !graph.nodes.is_empty() {
        edges.refuse_shape(&graph, &entry, &successors, &loops, &mut problems);
    }
    let retry = RetryTable::new(&graph, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let joins = edges.joins(&loops);
    let requests = cost::requests(&graph, &successors, &loops);
    let nodes = graph
        .nodes
        .into_iter()
        .zip(edges.of_nodes)
        .zip(&retry.refs)
        .map(|(((name, spec), edges), retry)| edges.into_node(&name, spec, &graph.defaults, *retry))
        .collect();
    Ok(CompiledGraph {
        name: graph.name.into(),
        nodes,
        by_name: OnceLock::new(),
        channels,
        initial,
        entry: entry.nodes.into(),
        joins,
        max_steps: graph.max_steps,
        state_limit: graph.state_limit,
        checkpoint: graph.checkpoint,
        output: graph.output,
        input_schema,
        retry_settings: retry.settings.into(),
        requests,
    })
}

type Reducers = Box<[(Box<str>, Reduce)]>;

fn channels(graph: &StateGraph, problems: &mut Vec<GraphProblem>) -> (Reducers, StateData) {
    let mut initial = StateData::new();
    let mut sorted: Vec<(Box<str>, Reduce)> = Vec::with_capacity(graph.channels.len());
    for (name, channel) in &graph.channels {
        match channel.initial() {
            Ok(Some(value)) => {
                initial.insert(name.clone(), value);
            }
            Ok(None) => {}
            Err(why) => problems.push(GraphProblem::of_flow(&["state", name, "default"], why)),
        }
        sorted.push((name.as_str().into(), channel.reduce));
    }
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    for pair in sorted.windows(2) {
        if pair[0].0 == pair[1].0 {
            problems.push(GraphProblem::of_flow(&["state", &pair[0].0], "the channel is declared twice"));
        }
    }
    (sorted.into(), initial)
}

fn input_schema(graph: &StateGraph, problems: &mut Vec<GraphProblem>) -> Option<InputSchema> {
    let schema = graph.input_schema.as_ref()?;
    InputSchema::new(schema)
        .map_err(|problem| {
            let mut key = vec!["input"];
            key.extend(problem.pointer.split('/').skip(1));
            problems.push(GraphProblem::of_flow(&key, problem.message));
        })
        .ok()
}

fn limits(graph: &StateGraph, problems: &mut Vec<GraphProblem>) {
    const ZERO: &str = "a time limit is longer than zero";
    const PERCENT: &str = "a percentage of the median is above 100";
    let is_small = |percent: Option<NonZeroU32>| percent.is_some_and(|percent| percent.get() <= 100);
    if is_small(graph.defaults.timeout_percent) {
        problems.push(GraphProblem::of_flow(&["defaults", "timeout"], PERCENT));
    }
    if graph.defaults.timeout.is_some_and(|limit| limit.is_zero()) {
        problems.push(GraphProblem::of_flow(&["defaults", "timeout"], ZERO));
    }
    for (name, spec) in &graph.nodes {
        if spec.timeout.is_some_and(|limit| limit.is_zero()) {
            problems.push(GraphProblem::at_node(name, &["timeout"], ZERO));
        }
        if is_small(spec.timeout_percent) {
            problems.push(GraphProblem::at_node(name, &["timeout"], PERCENT));
        }
    }
}
