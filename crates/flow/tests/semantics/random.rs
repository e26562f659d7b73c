//! Random graphs against the rules of the reference, followed literally.

use std::collections::BTreeSet;

use batchmill_core::{CancelSignal, CheckpointId, NodeError, StateData};
use batchmill_flow::{
    Arm, Channel, CheckpointMode, CompiledGraph, Execution, NodeSpec, OnError, Reduce, StateGraph, StepContext,
    Stepped, Target, node_fn,
};
use futures_util::FutureExt;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::check::{job, object};

/// A node: what it needs, and where it leads.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) needs: BTreeSet<usize>,
    pub(crate) next: ModelNext,
    pub(crate) on_error: ModelError,
}

/// What happens when the node fails. It fails at some visits, unless the job would fail with it.
#[derive(Debug, Clone)]
pub(crate) enum ModelError {
    Fail,
    Continue,
    /// `None` is END.
    Goto(Option<usize>),
}

impl Model {
    fn targets(&self) -> Vec<usize> {
        let goto = if let ModelError::Goto(target) = &self.on_error { *target } else { None };
        self.next.targets().into_iter().chain(goto).collect()
    }

    /// What the node called `name` does.
    pub(crate) fn act(&self, name: usize, state: &StateData) -> Result<Value, NodeError> {
        match state["runs"].as_u64() {
            Some(runs) if self.fails(name, runs as usize) => Err(NodeError::transient("broken", "broken")),
            _ => Ok(json!({"runs": 1, "seen": name})),
        }
    }

    /// By the node and the number of node runs before the superstep.
    fn fails(&self, node: usize, runs: usize) -> bool {
        !matches!(self.on_error, ModelError::Fail) && (node + runs).is_multiple_of(3)
    }
}

#[derive(Debug, Clone)]
pub(crate) enum ModelNext {
    To(BTreeSet<usize>),
    /// By whether the number of node runs so far is even; `None` is END.
    Branch(Option<usize>, Option<usize>),
}

pub(crate) const MAX_STEPS: u64 = 25;

impl ModelNext {
    fn targets(&self) -> Vec<usize> {
        match self {
            Self::To(targets) => targets.iter().copied().collect(),
            Self::Branch(even, odd) => [*even, *odd].into_iter().flatten().collect(),
        }
    }
}

/// Graphs of up to 9 nodes; `loops` lets edges lead back.
pub(crate) fn models(loops: bool) -> impl Strategy<Value = Vec<Model>> {
    (2..9_usize).prop_flat_map(move |nodes| {
        (0..nodes)
            .map(|node| {
                let before = proptest::collection::btree_set(0..node.max(1), 0..4_usize);
                let needs = before.prop_map(move |needs| if node == 0 { BTreeSet::new() } else { needs });
                let target = if loops { 0..nodes } else { (node + 1).min(nodes)..nodes.max(node + 2) };
                let inside = move |target: usize| Some(target).filter(|target| *target < nodes);
                let to = proptest::collection::btree_set(target.clone(), 0..3_usize)
                    .prop_map(move |targets| ModelNext::To(targets.into_iter().filter_map(inside).collect()));
                let on_error = prop_oneof![
                    3 => Just(ModelError::Fail),
                    1 => Just(ModelError::Continue),
                    2 => target.clone().prop_map(move |target| ModelError::Goto(inside(target))),
                ];
                let branch = (target.clone(), target)
                    .prop_map(move |(even, odd)| ModelNext::Branch(inside(even), inside(odd).filter(|t| t % 2 == 0)));
                (needs, prop_oneof![2 => Just(ModelNext::To(BTreeSet::new())), 2 => to, 1 => branch], on_error)
                    .prop_map(|(needs, next, on_error)| Model { needs, next, on_error })
            })
            .collect::<Vec<_>>()
    })
}

/// The nodes to start with, so that every node can be reached.
fn start(models: &[Model]) -> Vec<usize> {
    let mut start = Vec::new();
    for node in 0..models.len() {
        if !start.iter().any(|from| reaches(models, *from, node, None)) {
            start.push(node);
        }
    }
    start
}

/// Whether a path leads from `from` to `to` without passing through `avoiding`.
fn reaches(models: &[Model], from: usize, to: usize, avoiding: Option<usize>) -> bool {
    let (mut seen, mut found) = (BTreeSet::new(), vec![from]);
    while let Some(node) = found.pop() {
        if Some(node) == avoiding || !seen.insert(node) {
            continue;
        }
        if node == to {
            return true;
        }
        found.extend(models[node].targets());
        found.extend((0..models.len()).filter(|other| models[*other].needs.contains(&node)));
    }
    false
}

/// The supersteps that the reference prescribes, and the nodes that updated the state, in the order of merging.
pub(crate) fn prescribed(models: &[Model]) -> (Vec<Vec<usize>>, Vec<usize>) {
    let mut ready: BTreeSet<usize> = start(models).into_iter().collect();
    let mut arrived: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); models.len()];
    let (mut seen, mut steps) = (Vec::new(), Vec::new());
    while !ready.is_empty() && steps.len() < MAX_STEPS as usize {
        steps.push(ready.iter().copied().collect());
        let before = seen.len();
        let failed = |node: &usize| models[*node].fails(*node, before);
        seen.extend(ready.iter().filter(|node| !failed(node)).copied());
        let runs = seen.len();
        let mut scheduled: BTreeSet<usize> = BTreeSet::new();
        for node in &ready {
            if let (true, ModelError::Goto(target)) = (failed(node), &models[*node].on_error) {
                scheduled.extend(target);
                continue;
            }
            match &models[*node].next {
                ModelNext::To(targets) => scheduled.extend(targets),
                ModelNext::Branch(even, odd) => scheduled.extend(if runs % 2 == 0 { even } else { odd }),
            }
            for (join, _) in models.iter().enumerate().filter(|(_, model)| model.needs.contains(node)) {
                arrived[join].insert(*node);
            }
        }
        for join in &scheduled {
            arrived[*join].clear();
        }
        let waiting: Vec<usize> = (0..models.len()).filter(|join| !arrived[*join].is_empty()).collect();
        let can_come = |join: usize, need: usize| {
            let active = scheduled.iter().chain(waiting.iter().filter(|other| **other != join));
            active.into_iter().any(|node| reaches(models, *node, need, Some(join)))
        };
        let met =
            |join: &&usize| models[**join].needs.difference(&arrived[**join]).all(|need| !can_come(**join, *need));
        let mut running: Vec<usize> = waiting.iter().filter(met).copied().collect();
        if running.is_empty() && scheduled.is_empty() {
            running = waiting;
        }
        for join in running {
            arrived[join].clear();
            scheduled.insert(join);
        }
        ready = scheduled;
    }
    (steps, seen)
}

fn compile(models: &[Model]) -> CompiledGraph {
    assemble(models, CheckpointMode::Step, |name, model| NodeSpec::from(node_fn(move |state| model.act(name, state))))
}

/// A graph of these models, whose nodes are made by `make`.
pub(crate) fn assemble(
    models: &[Model],
    mode: CheckpointMode,
    make: impl Fn(usize, Model) -> NodeSpec,
) -> CompiledGraph {
    let target = |node: &Option<usize>| node.map_or(Target::End, |node| Target::Node(node.to_string()));
    let graph = StateGraph::new("random")
        .checkpoint(mode)
        .channel("runs", Channel::new(Reduce::Add).starting_as(0))
        .channel("seen", Channel::new(Reduce::Append))
        .max_steps(MAX_STEPS)
        .start(start(models).iter().map(ToString::to_string));
    let nodes = models.iter().enumerate().fold(graph, |graph, (name, model)| {
        let needs = model.needs.iter().map(ToString::to_string);
        let node = make(name, model.clone()).needs(needs).on_error(match &model.on_error {
            ModelError::Fail => OnError::Fail,
            ModelError::Continue => OnError::Continue,
            ModelError::Goto(to) => OnError::Goto(target(to)),
        });
        let even = |state: &StateData| state["runs"].as_u64().is_some_and(|runs| runs % 2 == 0);
        graph.node(
            name.to_string(),
            match &model.next {
                ModelNext::To(targets) => node.next_all(targets.iter().map(ToString::to_string)),
                ModelNext::Branch(yes, no) => node.branch([Arm::when(even, target(yes)), Arm::otherwise(target(no))]),
            },
        )
    });
    nodes.compile().unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// The supersteps that the engine runs; with `interrupted`, going through a checkpoint after each.
fn run(graph: &CompiledGraph, interrupted: bool) -> (Vec<Vec<usize>>, StateData) {
    let (job, input, cancel) = (job(), object(json!({})), CancelSignal::new());
    let context = StepContext { job: &job, input: &input, cancel: &cancel };
    let mut execution = Execution::start(graph, input.clone()).unwrap().without_retries();
    let mut steps = Vec::new();
    loop {
        steps.push(execution.ready().map(|name| name.parse().unwrap()).collect());
        match execution.step(&context).now_or_never().expect("nothing waits") {
            Stepped::Continue if interrupted => {
                let kept = execution.checkpoint(CheckpointId(1), None);
                execution = Execution::resume(graph, kept).unwrap().without_retries();
            }
            Stepped::Continue => {}
            Stepped::Failed(failure) if failure.first.error.code == "max_steps" => break,
            Stepped::Done => break,
            other => panic!("{other:?}"),
        }
    }
    (steps, execution.into_state())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn graphs_with_joins_branches_and_loops_run_as_prescribed(models in models(true)) {
        let graph = compile(&models);
        let (steps, state) = run(&graph, false);
        // Updates merge in declaration order, and a run through checkpoints is the same run.
        let seen = state["seen"].clone();
        let (prescribed, merged) = prescribed(&models);
        prop_assert_eq!(&steps, &prescribed);
        prop_assert_eq!(seen, json!(merged));
        prop_assert_eq!(run(&graph, true), (steps, state));
    }

    #[test]
    fn acyclic_graphs_run_as_prescribed(models in models(false)) {
        let graph = compile(&models);
        prop_assert_eq!(run(&graph, false).0, prescribed(&models).0);
    }

    #[test]
    fn in_a_graph_of_needs_every_node_runs_once_after_all_its_needs(models in models(false)) {
        let models: Vec<_> =
            models.into_iter().map(|m| Model { next: ModelNext::To(BTreeSet::new()), on_error: ModelError::Fail, ..m }).collect();
        let order = run(&compile(&models), false).0.concat();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        prop_assert_eq!(sorted, (0..models.len()).collect::<Vec<_>>());
        let place = |node: usize| order.iter().position(|n| *n == node);
        for (node, model) in models.iter().enumerate() {
            prop_assert!(model.needs.iter().all(|need| place(*need) < place(node)));
        }
    }
}
