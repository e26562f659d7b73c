//! A graph as plain data: to be shown, and to be compared.

use std::{fmt, num::NonZeroU32, time::Duration};

use batchmill_core::{Options, RetryRef};
use serde_json::Value;

use super::{
    Arm, CheckpointMode, CompiledArm, CompiledGraph, CompiledNode, CompiledOnError, Condition, Next, OnError, Reduce,
    Target, compiled::Usual,
};

/// Everything that a graph was compiled from, however it was written: two graphs that show the same outline behave the
/// same, as far as their nodes do.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Outline {
    /// The flow's name.
    pub name: String,
    /// The entry nodes.
    pub start: Vec<String>,
    /// Channels by name, each with its reducer and what it holds at the start.
    pub channels: Vec<(String, Reduce, Option<Value>)>,
    /// The nodes in declaration order.
    pub nodes: Vec<NodeOutline>,
    /// The most supersteps.
    pub max_steps: Option<u64>,
    /// The most that the state holds, in bytes.
    pub state_limit: u64,
    /// When the state is kept.
    pub checkpoint: CheckpointMode,
    /// JSON Schema of the input.
    pub input: Option<Value>,
    /// The text of the expression that makes the result.
    pub output: Option<String>,
}

/// One node of an [`Outline`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NodeOutline {
    /// Its name.
    pub name: String,
    /// Its kind: the key in a flow file, or `native`.
    pub kind: String,
    /// The node as it shows itself to programmers (`Debug`).
    pub does: String,
    /// Whether it runs first.
    pub is_entry: bool,
    /// The nodes it waits for.
    pub needs: Vec<String>,
    /// What follows it.
    pub next: Next,
    /// Bounds one run of it; the default of the flow is already in it.
    pub timeout: Option<Duration>,
    /// The same in percent of the median of its runs, once there are enough of them.
    pub timeout_percent: Option<NonZeroU32>,
    /// Its retry settings over those of the flow; none if it has only those of the host.
    pub retry: Option<Options>,
    /// What happens when it has failed for good.
    pub on_error: OnError,
}

/// An edge of an [`Outline`], by the places of its nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Edge {
    /// Where it begins: a place in [`Outline::nodes`].
    pub from: usize,
    /// Where it leads; none is `END`.
    pub to: Option<usize>,
    /// When it is followed.
    pub kind: EdgeKind,
}

/// When an edge is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EdgeKind {
    /// Always: the node at its end needs the one at its beginning, and maybe others.
    Needs,
    /// Always: `next`.
    Next,
    /// When this holds and no arm above it.
    When(String),
    /// When no arm above it holds.
    Otherwise,
    /// When the node has failed for good.
    OnError,
}

impl fmt::Display for EdgeKind {
    /// A few words for a label; nothing for an edge that is always followed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Needs | Self::Next => Ok(()),
            Self::When(condition) => f.write_str(condition),
            Self::Otherwise => f.write_str("otherwise"),
            Self::OnError => f.write_str("on error"),
        }
    }
}

impl CompiledGraph {
    /// The graph as plain data.
    pub fn outline(&self) -> Outline {
        let channel =
            |(name, reduce): &(Box<str>, Reduce)| (name.to_string(), *reduce, self.initial.get(&**name).cloned());
        Outline {
            name: self.name.to_string(),
            start: self.entry.iter().map(|node| self.name_of(*node)).collect(),
            channels: self.channels.iter().map(channel).collect(),
            nodes: self.nodes.iter().enumerate().map(|(place, node)| self.node_outline(place, node)).collect(),
            max_steps: self.max_steps,
            state_limit: self.state_limit,
            checkpoint: self.checkpoint,
            input: self.input_schema.as_ref().map(|schema| schema.source().clone()),
            output: self.output.as_ref().map(|filter| filter.text().to_owned()),
        }
    }

    fn node_outline(&self, place: usize, node: &CompiledNode) -> NodeOutline {
        let arm = |arm: &CompiledArm| Arm { when: arm.when.clone(), to: self.target(arm.to) };
        NodeOutline {
            name: node.name.to_string(),
            kind: node.kind.to_string(),
            does: format!("{:?}", node.node),
            is_entry: self.entry.binary_search(&super::compiled::index(place)).is_ok(),
            needs: node.needs.iter().map(|need| self.name_of(*need)).collect(),
            next: match (&node.arms, &node.next[..]) {
                (Some(arms), _) => Next::Branch(arms.iter().map(arm).collect()),
                (None, []) => Next::None,
                (None, targets) => Next::To(targets.iter().map(|target| self.target(*target)).collect()),
            },
            timeout: node.timeout,
            timeout_percent: node.usual.as_ref().map(Usual::share),
            retry: self.retry_of(node.retry).cloned(),
            on_error: match node.on_error {
                CompiledOnError::Fail => OnError::Fail,
                CompiledOnError::Continue => OnError::Continue,
                CompiledOnError::Goto(target) => OnError::Goto(self.target(target)),
            },
        }
    }

    fn name_of(&self, node: u32) -> String {
        self.node(node).name.to_string()
    }

    fn target(&self, target: Option<u32>) -> Target {
        target.map_or(Target::End, |node| Target::Node(self.name_of(node)))
    }

    fn retry_of(&self, settings: RetryRef) -> Option<&Options> {
        usize::from(settings.0).checked_sub(1).and_then(|place| self.retry_settings.get(place))
    }
}

impl Outline {
    /// All edges, by the node where they begin; each node's in the order in which they are tried.
    pub fn edges(&self) -> Vec<Edge> {
        let places: std::collections::HashMap<&str, usize> =
            self.nodes.iter().enumerate().map(|(place, node)| (node.name.as_str(), place)).collect();
        let target = |target: &Target| match target {
            Target::Node(name) => places.get(name.as_str()).copied(),
            Target::End => None,
        };
        let mut needed_by = vec![Vec::new(); self.nodes.len()];
        for (place, node) in self.nodes.iter().enumerate() {
            for need in node.needs.iter().filter_map(|need| places.get(need.as_str())) {
                needed_by[*need].push(place);
            }
        }
        let mut edges = Vec::new();
        for (from, node) in self.nodes.iter().enumerate() {
            edges.extend(needed_by[from].iter().map(|to| Edge { from, to: Some(*to), kind: EdgeKind::Needs }));
            match &node.next {
                Next::None => {}
                Next::To(targets) => {
                    edges.extend(targets.iter().map(|to| Edge { from, to: target(to), kind: EdgeKind::Next }));
                }
                Next::Branch(arms) => {
                    edges.extend(arms.iter().map(|arm| Edge { from, to: target(&arm.to), kind: arm_kind(arm) }));
                }
            }
            if let OnError::Goto(to) = &node.on_error {
                edges.push(Edge { from, to: target(to), kind: EdgeKind::OnError });
            }
        }
        edges
    }
}

fn arm_kind(arm: &Arm) -> EdgeKind {
    match &arm.when {
        None => EdgeKind::Otherwise,
        Some(Condition::Filter(filter)) => EdgeKind::When(filter.text().to_owned()),
        Some(Condition::Closure(_)) => EdgeKind::When("(a closure)".to_owned()),
    }
}
