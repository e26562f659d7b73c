//! What joins must know: whether a need can still come.
//!
//! A need of a join can still come while something active reaches it by a path that does not pass through the join. For
//! a join that is in no loop no path to its needs passes through it, so that all such joins share one row of bits per
//! need. Rows are made when first asked for: a join whose needs all arrive at once never asks.

use std::{fmt, ops::Range, sync::OnceLock};

use super::compiled::index;

/// All joins (nodes with several needs) of a graph.
#[derive(Default)]
pub(crate) struct JoinPlans {
    joins: Box<[JoinPlan]>,
    rows: Box<[Row]>,
    predecessors: Adjacency,
    /// Words of arrival bits that all joins take together.
    pub(crate) words: usize,
}

pub(crate) struct JoinPlan {
    pub(crate) node: u32,
    pub(crate) needs: Box<[u32]>,
    /// For each need, its row.
    rows: Box<[u32]>,
    /// Where its arrival bits start.
    pub(crate) first_word: usize,
}

impl JoinPlan {
    /// Where its arrival bits are.
    pub(crate) fn words(&self) -> Range<usize> {
        self.first_word..self.first_word + self.needs.len().div_ceil(64)
    }
}

/// The nodes from which `target` can be reached without passing through `avoiding`.
struct Row {
    target: u32,
    avoiding: Option<u32>,
    bits: OnceLock<Box<[u64]>>,
}

/// Lists of neighbours, flat.
#[derive(Default)]
pub(super) struct Adjacency {
    starts: Box<[u32]>,
    neighbours: Box<[u32]>,
}

impl Adjacency {
    /// From pairs (node, neighbour).
    pub(super) fn new(nodes: usize, edges: &[(u32, u32)]) -> Self {
        let mut starts = vec![0_u32; nodes + 1];
        for (node, _) in edges {
            starts[*node as usize + 1] += 1;
        }
        for i in 0..nodes {
            starts[i + 1] += starts[i];
        }
        let mut place = starts.clone();
        let mut neighbours = vec![0; edges.len()];
        for (node, neighbour) in edges {
            let next = &mut place[*node as usize];
            neighbours[*next as usize] = *neighbour;
            *next += 1;
        }
        Self { starts: starts.into(), neighbours: neighbours.into() }
    }

    pub(super) fn of(&self, node: u32) -> &[u32] {
        let node = node as usize;
        &self.neighbours[self.starts[node] as usize..self.starts[node + 1] as usize]
    }

    pub(super) fn nodes(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }
}

impl JoinPlans {
    /// Plans `joins`: node, needs, and whether the node is part of a loop.
    pub(super) fn new(joins: Vec<(u32, Vec<u32>, bool)>, predecessors: Adjacency) -> Self {
        let mut shared = vec![None; predecessors.nodes()];
        let (mut rows, mut plans, mut words) = (Vec::new(), Vec::with_capacity(joins.len()), 0);
        for (node, needs, in_loop) in joins {
            let mut row_of = |need: u32| {
                let new = |rows: &mut Vec<Row>, avoiding| {
                    rows.push(Row { target: need, avoiding, bits: OnceLock::new() });
                    index(rows.len() - 1)
                };
                if in_loop {
                    new(&mut rows, Some(node))
                } else {
                    *shared[need as usize].get_or_insert_with(|| new(&mut rows, None))
                }
            };
            let row_ids = needs.iter().map(|need| row_of(*need)).collect();
            let first_word = words;
            words += needs.len().div_ceil(64);
            plans.push(JoinPlan { node, needs: needs.into(), rows: row_ids, first_word });
        }
        Self { joins: plans.into(), rows: rows.into(), predecessors, words }
    }

    pub(crate) fn len(&self) -> usize {
        self.joins.len()
    }

    pub(crate) fn get(&self, join: u32) -> &JoinPlan {
        &self.joins[join as usize]
    }

    /// Whether need number `slot` of `join` can come from `node`.
    pub(crate) fn can_come(&self, join: u32, slot: usize, node: u32) -> bool {
        let row = &self.rows[self.joins[join as usize].rows[slot] as usize];
        let bits = row.bits.get_or_init(|| self.reachers(row.target, row.avoiding));
        bits[node as usize / 64] >> (node % 64) & 1 == 1
    }

    fn reachers(&self, target: u32, avoiding: Option<u32>) -> Box<[u64]> {
        let mut bits = vec![0_u64; self.predecessors.nodes().div_ceil(64)];
        if avoiding == Some(target) {
            return bits.into();
        }
        let mut found = vec![target];
        bits[target as usize / 64] |= 1 << (target % 64);
        while let Some(node) = found.pop() {
            for before in self.predecessors.of(node) {
                let (word, bit) = (&mut bits[*before as usize / 64], 1 << (before % 64));
                if *word & bit == 0 && Some(*before) != avoiding {
                    *word |= bit;
                    found.push(*before);
                }
            }
        }
        bits.into()
    }
}

impl fmt::Debug for JoinPlans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.joins.iter().map(|join| (join.node, &join.needs))).finish()
    }
}
