//! Loops in a graph: strongly connected components (Tarjan 1972, without recursion), and a shortest loop to show.

use std::collections::VecDeque;

use super::{compiled::index, reach::Adjacency};

/// The loops of a graph.
pub(super) struct Loops {
    /// For each node, its component.
    component: Vec<u32>,
    /// For each component, how many nodes it has.
    sizes: Vec<u32>,
}

const UNSEEN: u32 = u32::MAX;

impl Loops {
    pub(super) fn find(successors: &Adjacency) -> Self {
        let nodes = successors.nodes();
        let mut search = Search {
            successors,
            order: vec![UNSEEN; nodes],
            low: vec![0; nodes],
            on_stack: vec![false; nodes],
            stack: Vec::new(),
            clock: 0,
            component: vec![UNSEEN; nodes],
            sizes: Vec::new(),
        };
        for node in 0..nodes {
            if search.order[node] == UNSEEN {
                search.from(index(node));
            }
        }
        Self { component: search.component, sizes: search.sizes }
    }

    /// Whether a path leads from `node` to another node and back.
    pub(super) fn contains(&self, node: u32) -> bool {
        self.sizes[self.component[node as usize] as usize] > 1
    }

    /// How many loops and single nodes there are. Each is numbered after all that follow it.
    pub(super) fn components(&self) -> usize {
        self.sizes.len()
    }

    /// The loop that a node is in, or itself.
    pub(super) fn component_of(&self, node: u32) -> u32 {
        self.component[node as usize]
    }

    /// One shortest loop of each component that has one, starting at its first node in declaration order.
    pub(super) fn examples(&self, successors: &Adjacency) -> Vec<Vec<u32>> {
        let mut shown = vec![false; self.sizes.len()];
        let mut examples = Vec::new();
        for node in 0..index(self.component.len()) {
            let component = self.component[node as usize];
            let is_loop = self.contains(node) || successors.of(node).contains(&node);
            if is_loop && !std::mem::replace(&mut shown[component as usize], true) {
                examples.push(self.shortest(successors, node));
            }
        }
        examples
    }

    fn shortest(&self, successors: &Adjacency, start: u32) -> Vec<u32> {
        let mut came_from = vec![UNSEEN; self.component.len()];
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            for next in successors.of(node) {
                if *next == start {
                    let mut path = vec![node];
                    while *path.last().unwrap_or(&start) != start {
                        path.push(came_from[path[path.len() - 1] as usize]);
                    }
                    path.reverse();
                    return path;
                }
                let inside = self.component[*next as usize] == self.component[start as usize];
                if inside && came_from[*next as usize] == UNSEEN {
                    came_from[*next as usize] = node;
                    queue.push_back(*next);
                }
            }
        }
        vec![start]
    }
}

struct Search<'a> {
    successors: &'a Adjacency,
    order: Vec<u32>,
    low: Vec<u32>,
    on_stack: Vec<bool>,
    stack: Vec<u32>,
    clock: u32,
    component: Vec<u32>,
    sizes: Vec<u32>,
}

impl Search<'_> {
    fn from(&mut self, root: u32) {
        let mut path = vec![(root, 0)];
        self.enter(root);
        while let Some((node, edge)) = path.last_mut() {
            let node = *node;
            if let Some(next) = self.successors.of(node).get(*edge).copied() {
                *edge += 1;
                if self.order[next as usize] == UNSEEN {
                    self.enter(next);
                    path.push((next, 0));
                } else if self.on_stack[next as usize] {
                    self.low[node as usize] = self.low[node as usize].min(self.order[next as usize]);
                }
            } else {
                path.pop();
                if let Some((parent, _)) = path.last() {
                    self.low[*parent as usize] = self.low[*parent as usize].min(self.low[node as usize]);
                }
                if self.low[node as usize] == self.order[node as usize] {
                    self.leave(node);
                }
            }
        }
    }

    fn enter(&mut self, node: u32) {
        self.order[node as usize] = self.clock;
        self.low[node as usize] = self.clock;
        self.clock += 1;
        self.stack.push(node);
        self.on_stack[node as usize] = true;
    }

    /// `node` is the first of its component: everything above it on the stack belongs to it.
    fn leave(&mut self, node: u32) {
        let mut size = 0;
        while let Some(member) = self.stack.pop() {
            self.on_stack[member as usize] = false;
            self.component[member as usize] = index(self.sizes.len());
            size += 1;
            if member == node {
                break;
            }
        }
        self.sizes.push(size);
    }
}
