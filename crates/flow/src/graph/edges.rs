//! The edges of a graph: from names to indices, and what is wrong with their shape.

use std::{collections::HashMap, sync::Arc};

use batchmill_core::{RetryRef, nearest};

use super::{
    Arm, CompiledArm, CompiledNode, CompiledOnError, Defaults, Feed, GraphProblem, JoinPlans, Next, NodeSpec, OnError,
    StateGraph, Target,
    compiled::{Usual, index},
    cycles::Loops,
    reach::Adjacency,
};

/// A suggestion compares with every name; a file full of slips is not worth a quadratic search.
const SUGGESTIONS_MAX: usize = 20;

/// The edges of all nodes, as indices.
pub(super) struct Edges {
    pub(super) of_nodes: Vec<NodeEdges>,
    by_name: HashMap<String, u32>,
    has_twins: bool,
}

/// Where a graph begins.
pub(super) struct Entry {
    pub(super) nodes: Vec<u32>,
    /// What an unknown name of `start` may mean; none where nothing is near.
    guessed: Vec<Option<u32>>,
}

#[derive(Default)]
pub(super) struct NodeEdges {
    needs: Vec<u32>,
    /// `None` is `END`.
    next: Vec<Option<u32>>,
    arms: Option<Vec<CompiledArm>>,
    goto: Option<Option<u32>>,
    /// Nodes that need this one alone.
    only_for: Vec<u32>,
    /// What unknown names may mean: edges that the user believes to be there.
    guessed: Vec<u32>,
    needs_unknown: bool,
    feeds: Vec<Feed>,
    join: Option<u32>,
}

impl NodeEdges {
    fn targets(&self) -> impl Iterator<Item = u32> {
        let arms = self.arms.iter().flatten().filter_map(|arm| arm.to);
        self.next.iter().copied().flatten().chain(arms).chain(self.goto.flatten())
    }

    pub(super) fn into_node(self, name: &str, spec: NodeSpec, defaults: &Defaults, retry: RetryRef) -> CompiledNode {
        let mut after = self.only_for;
        after.extend(self.next.iter().copied().flatten());
        after.sort_unstable();
        after.dedup();
        let usual = usual(&spec, defaults);
        CompiledNode {
            name: Arc::from(name),
            node: spec.node,
            kind: spec.kind,
            needs: self.needs.into(),
            next: self.next.into(),
            after: after.into(),
            arms: self.arms.map(Into::into),
            feeds: self.feeds.into(),
            join: self.join,
            usual,
            timeout: spec.timeout.or(defaults.timeout),
            retry,
            on_error: match (spec.on_error, self.goto) {
                (OnError::Fail, _) => CompiledOnError::Fail,
                (OnError::Continue, _) => CompiledOnError::Continue,
                (OnError::Goto(_), target) => CompiledOnError::Goto(target.flatten()),
            },
        }
    }
}

/// A time of its own stands above a percentage of the flow.
fn usual(spec: &NodeSpec, defaults: &Defaults) -> Option<Usual> {
    let percent = spec.timeout_percent.or(defaults.timeout_percent.filter(|_| spec.timeout.is_none()));
    percent.map(Usual::new)
}

/// Looks names up and reports those that nobody has.
struct Names<'a> {
    by_name: &'a HashMap<String, u32>,
    graph: &'a StateGraph,
    suggestions: usize,
}

/// A name that nobody has.
struct Unknown {
    message: String,
    near: Option<u32>,
}

impl Names<'_> {
    fn find(&mut self, name: &str) -> Result<u32, Unknown> {
        if let Some(found) = self.by_name.get(name) {
            return Ok(*found);
        }
        let near = if self.suggestions < SUGGESTIONS_MAX {
            self.suggestions += 1;
            nearest(name, self.graph.nodes.iter().map(|(name, _)| name.as_str()))
        } else {
            None
        };
        let message = match near {
            Some(near) => format!("unknown node `{name}`, did you mean `{near}`?"),
            None => format!("unknown node `{name}`"),
        };
        Err(Unknown { message, near: near.and_then(|near| self.by_name.get(near).copied()) })
    }

    fn target(&mut self, target: &Target) -> Result<Option<u32>, Unknown> {
        match target {
            Target::End => Ok(None),
            Target::Node(name) => self.find(name).map(Some),
        }
    }
}

impl Edges {
    pub(super) fn resolve(graph: &StateGraph, problems: &mut Vec<GraphProblem>) -> Self {
        let (mut by_name, mut has_twins) = (HashMap::with_capacity(graph.nodes.len()), false);
        for (i, (name, _)) in graph.nodes.iter().enumerate() {
            if let Err(why) = check_name(name) {
                problems.push(GraphProblem::at_node(name, &[], why));
            }
            if by_name.insert(name.clone(), index(i)).is_some() {
                has_twins = true;
                problems.push(GraphProblem::at_node(name, &[], "two nodes have this name"));
            }
        }
        let mut names = Names { by_name: &by_name, graph, suggestions: 0 };
        let of_nodes: Vec<_> =
            graph.nodes.iter().map(|(name, spec)| NodeEdges::resolve(name, spec, &mut names, problems)).collect();
        let mut edges = Self { of_nodes, by_name, has_twins };
        edges.link_needs();
        edges
    }

    /// Tells every node who needs it. A single need is an edge like `next`; several make a join.
    fn link_needs(&mut self) {
        let mut joins = 0;
        for node in 0..self.of_nodes.len() {
            let needs = std::mem::take(&mut self.of_nodes[node].needs);
            match needs[..] {
                [] => {}
                [only] => self.of_nodes[only as usize].only_for.push(index(node)),
                _ => {
                    for (slot, need) in needs.iter().enumerate() {
                        self.of_nodes[*need as usize].feeds.push(Feed { join: joins, slot: index(slot) });
                    }
                    self.of_nodes[node].join = Some(joins);
                    joins += 1;
                }
            }
            self.of_nodes[node].needs = needs;
        }
    }

    /// All edges, forwards.
    fn all(&self) -> Vec<(u32, u32)> {
        let mut all = self.needs();
        for (node, edges) in self.of_nodes.iter().enumerate() {
            all.extend(edges.targets().map(|target| (index(node), target)));
        }
        all
    }

    /// The edges made by `needs`, forwards.
    fn needs(&self) -> Vec<(u32, u32)> {
        let of = |(node, edges): (usize, &NodeEdges)| {
            edges.needs.iter().map(|need| (*need, index(node))).collect::<Vec<_>>()
        };
        self.of_nodes.iter().enumerate().flat_map(of).collect()
    }

    pub(super) fn successors(&self) -> Adjacency {
        Adjacency::new(self.of_nodes.len(), &self.all())
    }

    pub(super) fn joins(&self, loops: &Loops) -> JoinPlans {
        let joins = self
            .of_nodes
            .iter()
            .enumerate()
            .filter(|(_, edges)| edges.join.is_some())
            .map(|(node, edges)| (index(node), edges.needs.clone(), loops.contains(index(node))))
            .collect::<Vec<_>>();
        if joins.is_empty() {
            return JoinPlans::default();
        }
        let backwards: Vec<_> = self.all().into_iter().map(|(from, to)| (to, from)).collect();
        JoinPlans::new(joins, Adjacency::new(self.of_nodes.len(), &backwards))
    }

    pub(super) fn entry(&self, graph: &StateGraph, problems: &mut Vec<GraphProblem>) -> Entry {
        let mut guessed = Vec::new();
        let Some(start) = &graph.start else {
            return Entry { nodes: self.without_predecessor(graph), guessed };
        };
        if start.is_empty() {
            problems.push(GraphProblem::of_flow(&["start"], "names no node"));
        }
        let mut names = Names { by_name: &self.by_name, graph, suggestions: 0 };
        let mut entry = Vec::with_capacity(start.len());
        for (i, name) in start.iter().enumerate() {
            let place = i.to_string();
            match names.find(name) {
                Ok(node) => entry.push(node),
                Err(unknown) => {
                    guessed.push(unknown.near);
                    problems.push(GraphProblem::of_flow(&["start", &place], unknown.message));
                }
            }
        }
        entry.sort_unstable();
        entry.dedup();
        Entry { nodes: entry, guessed }
    }

    fn without_predecessor(&self, graph: &StateGraph) -> Vec<u32> {
        let mut named = vec![false; self.of_nodes.len()];
        for target in self.of_nodes.iter().flat_map(NodeEdges::targets) {
            named[target as usize] = true;
        }
        let is_entry = |node: &usize| !named[*node] && graph.nodes[*node].1.needs.is_empty();
        (0..self.of_nodes.len()).filter(is_entry).map(index).collect()
    }

    /// Refuses loops that cannot end and nodes that cannot run. Names that nobody has are reported already; here they count
    /// as what they may mean, so that one slip is one problem.
    pub(super) fn refuse_shape(
        &self,
        graph: &StateGraph,
        entry: &Entry,
        successors: &Adjacency,
        loops: &Loops,
        problems: &mut Vec<GraphProblem>,
    ) {
        // A cycle of `needs` is why its nodes cannot be reached: one complaint about it is enough.
        if self.refuse_cycles(graph, successors, loops, problems) {
            return;
        }
        let waits = |edges: &NodeEdges| edges.needs_unknown;
        let all_unknown = entry.nodes.is_empty() && self.of_nodes.iter().any(waits);
        if graph.is_incomplete || self.has_twins || entry.guessed.contains(&None) || all_unknown {
            return;
        }
        if entry.nodes.is_empty() && entry.guessed.is_empty() {
            problems.push(GraphProblem::of_flow(
                &["nodes"],
                "no entry node: every node has a predecessor; name the first one with `start`",
            ));
        } else {
            self.refuse_unreachable(graph, entry, successors, problems);
        }
    }

    /// Whether some nodes wait for themselves.
    fn refuse_cycles(
        &self,
        graph: &StateGraph,
        successors: &Adjacency,
        loops: &Loops,
        problems: &mut Vec<GraphProblem>,
    ) -> bool {
        let show = |path: &[u32]| {
            let names = path.iter().chain(&path[..1]).map(|node| format!("`{}`", graph.nodes[*node as usize].0));
            names.collect::<Vec<_>>().join(" → ")
        };
        let needs = Adjacency::new(self.of_nodes.len(), &self.needs());
        let mut waiting_for_itself = vec![false; self.of_nodes.len()];
        for path in Loops::find(&needs).examples(&needs) {
            waiting_for_itself[path[0] as usize] = true;
            let name = &graph.nodes[path[0] as usize].0;
            let message = format!("`needs` form a cycle, nothing of it could ever run: {}", show(&path));
            problems.push(GraphProblem::at_node(name, &["needs"], message));
        }
        let waits = waiting_for_itself.contains(&true);
        if graph.max_steps.is_some() {
            return waits;
        }
        for path in loops.examples(successors) {
            if path.iter().any(|node| waiting_for_itself[*node as usize]) {
                continue;
            }
            // The edge that closes the loop is the one to show.
            let last = path[path.len() - 1];
            let name = &graph.nodes[last as usize].0;
            let key = if self.of_nodes[path[0] as usize].needs.contains(&last) { None } else { Some("next") };
            let message = format!("a loop needs `max_steps` on the flow: {}", show(&path));
            problems.push(GraphProblem::at_node(name, key.as_slice(), message));
        }
        waits
    }

    fn refuse_unreachable(
        &self,
        graph: &StateGraph,
        entry: &Entry,
        successors: &Adjacency,
        problems: &mut Vec<GraphProblem>,
    ) {
        let mut reached = vec![false; self.of_nodes.len()];
        let mut found = entry.nodes.clone();
        found.extend(entry.guessed.iter().flatten());
        found.extend((0..).zip(&self.of_nodes).filter(|(_, edges)| edges.needs_unknown).map(|(node, _)| node));
        while let Some(node) = found.pop() {
            if !std::mem::replace(&mut reached[node as usize], true) {
                found.extend(successors.of(node));
                found.extend(&self.of_nodes[node as usize].guessed);
            }
        }
        for (node, _) in reached.iter().enumerate().filter(|(_, reached)| !**reached) {
            let message = "unreachable: no path leads here from the entry nodes";
            problems.push(GraphProblem::at_node(&graph.nodes[node].0, &[], message));
        }
    }
}

impl NodeEdges {
    fn resolve(name: &str, spec: &NodeSpec, names: &mut Names<'_>, problems: &mut Vec<GraphProblem>) -> Self {
        let mut edges = Self::default();
        let mut problem = |key: &[&str], why: String| problems.push(GraphProblem::at_node(name, key, why));
        for (i, need) in spec.needs.iter().enumerate() {
            match names.find(need) {
                Ok(node) if edges.needs.contains(&node) => {
                    problem(&["needs", &i.to_string()], format!("`{need}` is named twice"));
                }
                Ok(node) => edges.needs.push(node),
                Err(unknown) => {
                    edges.needs_unknown = true;
                    problem(&["needs", &i.to_string()], unknown.message);
                }
            }
        }
        match &spec.next {
            Next::None => {}
            Next::To(targets) => {
                for (i, target) in targets.iter().enumerate() {
                    match names.target(target) {
                        Ok(node) => edges.next.push(node),
                        Err(unknown) => {
                            edges.guessed.extend(unknown.near);
                            problem(&["next", &i.to_string()], unknown.message);
                        }
                    }
                }
            }
            Next::Branch(arms) => edges.arms = Some(resolve_arms(arms, names, &mut edges.guessed, &mut problem)),
        }
        if let OnError::Goto(target) = &spec.on_error {
            match names.target(target) {
                Ok(node) => edges.goto = Some(node),
                Err(unknown) => {
                    edges.guessed.extend(unknown.near);
                    problem(&["on_error", "goto"], unknown.message);
                }
            }
        }
        edges
    }
}

fn resolve_arms(
    arms: &[Arm],
    names: &mut Names<'_>,
    guessed: &mut Vec<u32>,
    problem: &mut impl FnMut(&[&str], String),
) -> Vec<CompiledArm> {
    if arms.is_empty() {
        problem(&["next"], "a branch has at least one arm".to_owned());
    }
    let mut compiled = Vec::with_capacity(arms.len());
    for (i, arm) in arms.iter().enumerate() {
        let place = i.to_string();
        if arm.when.is_none() && i + 1 < arms.len() {
            let why = "an arm without `when` always matches: the arms below it never do";
            problem(&["next", &place], why.to_owned());
        }
        match names.target(&arm.to) {
            Ok(to) => compiled.push(CompiledArm { when: arm.when.clone(), to }),
            Err(unknown) => {
                guessed.extend(unknown.near);
                problem(&["next", &place, "to"], unknown.message);
            }
        }
    }
    compiled
}

fn check_name(name: &str) -> Result<(), String> {
    if name == Target::END {
        return Err("`END` is the end of a path, it names no node".to_owned());
    }
    if name.is_empty() || name.len() > 256 || name.chars().any(char::is_control) {
        return Err("a node's name has 1 to 256 bytes and no control characters".to_owned());
    }
    Ok(())
}
