//! What a job of a graph asks for of memory and CPUs.
//!
//! A job has one request for all of its run: that of its largest superstep. Which nodes run side by side is decided while
//! the job runs, so it is taken as much as may be: nodes that are equally many steps from the start, counted along the
//! longest way, run together and add up; of a loop only the largest node counts, because its nodes follow each other.

use batchmill_core::Request;

use super::{StateGraph, cycles::Loops, reach::Adjacency};

/// What one run of a node asks for. 0 asks for nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Cost {
    /// CPUs, in thousandths.
    pub cpu_milli: u32,
    /// Memory, in bytes.
    pub memory: Memory,
}

/// How much memory a node gets, and how much more after it ran out of it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Memory {
    /// At first, in bytes.
    pub start: u64,
    /// What that is multiplied with each time an attempt ran out of memory. At least 1.
    pub multiply: f64,
    /// Never more than this, in bytes.
    pub max: u64,
}

impl Cost {
    /// So many thousandths of a CPU, and memory.
    pub fn new(cpu_milli: u32, memory: Memory) -> Self {
        Self { cpu_milli, memory }
    }
}

impl Memory {
    /// Requests that are worth to be told apart.
    const LEVELS_MAX: u32 = 64;

    /// Always the same, in bytes.
    pub fn fixed(bytes: u64) -> Self {
        Self { start: bytes, multiply: 1.0, max: bytes }
    }

    /// `start` bytes at first, `multiply` times as much each time it was too little, at most `max`.
    pub fn growing(start: u64, multiply: f64, max: u64) -> Self {
        Self { start, multiply, max }
    }

    /// How much there is after so many attempts that ran out of it.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float saturates; it is not negative"
    )]
    fn at(self, level: u32) -> u64 {
        let times = self.multiply.max(1.0).powi(i32::try_from(level).unwrap_or(i32::MAX));
        ((self.start as f64 * times) as u64).min(self.max).max(self.start.min(self.max))
    }

    fn grows_after(self, level: u32) -> bool {
        level < Self::LEVELS_MAX && self.at(level + 1) > self.at(level)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::fixed(0)
    }
}

/// The request of a job whose memory never ran out, ran out once, twice and so on, until it grows no more. Empty where no
/// node asks for anything.
pub(super) fn requests(graph: &StateGraph, successors: &Adjacency, loops: &Loops) -> Box<[Request]> {
    let costs: Vec<Cost> = graph.nodes.iter().map(|(_, spec)| spec.cost).collect();
    if costs.iter().all(|cost| *cost == Cost::default()) {
        return Box::default();
    }
    let depths = depths(successors, loops);
    let mut requests = Vec::new();
    for level in 0.. {
        requests.push(largest(&costs, &depths, loops, level));
        if !costs.iter().any(|cost| cost.memory.grows_after(level)) {
            break;
        }
    }
    requests.into()
}

/// For each loop or single node, how many steps it is from the start along the longest way.
fn depths(successors: &Adjacency, loops: &Loops) -> Vec<u32> {
    let mut members = vec![Vec::new(); loops.components()];
    for node in 0..super::compiled::index(successors.nodes()) {
        members[loops.component_of(node) as usize].push(node);
    }
    let mut depths = vec![0; loops.components()];
    // A component is numbered after all that follow it.
    for component in (0..members.len()).rev() {
        for next in members[component].iter().flat_map(|node| successors.of(*node)) {
            let after = loops.component_of(*next) as usize;
            if after != component {
                depths[after] = depths[after].max(depths[component] + 1);
            }
        }
    }
    depths
}

fn largest(costs: &[Cost], depths: &[u32], loops: &Loops, level: u32) -> Request {
    let mut of_components = vec![Request::default(); depths.len()];
    for (node, cost) in (0..).zip(costs) {
        let request = &mut of_components[loops.component_of(node) as usize];
        request.memory = request.memory.max(cost.memory.at(level));
        request.cpu_milli = request.cpu_milli.max(cost.cpu_milli);
    }
    let steps = depths.iter().max().map_or(0, |deepest| *deepest as usize + 1);
    let mut of_steps = vec![Request::default(); steps];
    for (depth, request) in depths.iter().zip(of_components) {
        let sum = &mut of_steps[*depth as usize];
        sum.memory = sum.memory.saturating_add(request.memory);
        sum.cpu_milli = sum.cpu_milli.saturating_add(request.cpu_milli);
    }
    of_steps.into_iter().fold(Request::default(), |largest, step| Request {
        memory: largest.memory.max(step.memory),
        cpu_milli: largest.cpu_milli.max(step.cpu_milli),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NodeSpec, node_fn};

    fn node(memory: u64) -> NodeSpec {
        NodeSpec::from(node_fn(|_| ())).cost(Cost::new(250, Memory::fixed(memory)))
    }

    fn requests(graph: StateGraph) -> Vec<(u64, u32)> {
        let compiled = graph.compile().unwrap();
        compiled.requests().iter().map(|request| (request.memory, request.cpu_milli)).collect()
    }

    #[test]
    fn a_flow_that_declares_nothing_asks_for_nothing() {
        assert_eq!(requests(StateGraph::new("f").node("a", node_fn(|_| ()))), []);
    }

    #[test]
    fn nodes_that_run_side_by_side_add_up_and_those_that_follow_do_not() {
        let graph = StateGraph::new("f")
            .node("first", node(100))
            .node("left", node(300).needs(["first"]))
            .node("right", node(250).needs(["first"]))
            .node("last", node(500).needs(["left", "right"]));
        assert_eq!(requests(graph), [(550, 500)]);
    }

    #[test]
    fn of_a_loop_the_largest_node_counts() {
        let graph = StateGraph::new("f")
            .node("start", node(10).next("a"))
            .node("a", node(100).next("b"))
            .node("b", node(200).next_all(["a", "end"]))
            .node("end", node(20))
            .max_steps(9);
        assert_eq!(requests(graph), [(200, 250)]);
    }

    #[test]
    fn memory_grows_from_the_request_that_failed_up_to_its_maximum() {
        let cost = Cost::new(0, Memory::growing(300, 2.0, 1000));
        let graph = StateGraph::new("f").node("a", NodeSpec::from(node_fn(|_| ())).cost(cost));
        assert_eq!(requests(graph), [(300, 0), (600, 0), (1000, 0)]);
    }

    #[test]
    fn memory_that_grows_without_end_ends_all_the_same() {
        let memory = Memory::growing(1, 1.000_000_1, u64::MAX);
        assert!(!memory.grows_after(0), "by less than a byte is not at all");
        let cost = Cost::new(0, Memory::growing(1 << 30, 1.01, u64::MAX));
        let graph = StateGraph::new("f").node("a", NodeSpec::from(node_fn(|_| ())).cost(cost));
        assert_eq!(requests(graph).len(), 65);
    }
}
