//! Updates into the state: first all of a superstep are checked, then all are merged, so that a refused update leaves the
//! state as it was.

use std::{
    borrow::Cow,
    collections::{HashMap, hash_map::Entry},
};

use batchmill_core::{NodeError, StateData};
use serde_json::Value;

use super::{CompiledGraph, Reduce};

impl CompiledGraph {
    pub(super) fn reducer(&self, key: &str) -> Reduce {
        match self.channels.binary_search_by(|(name, _)| (**name).cmp(key)) {
            Ok(found) => self.channels[found].1,
            Err(_) => Reduce::Replace,
        }
    }

    /// Checks the update of the only node of a superstep.
    pub(crate) fn check_update(&self, state: &StateData, update: &StateData) -> Result<(), NodeError> {
        if self.channels.is_empty() {
            return Ok(());
        }
        for (key, value) in update {
            let reduce = self.reducer(key);
            reduce.check(state.get(key), value).map_err(|why| bad_update(key, reduce, &why))?;
        }
        Ok(())
    }

    /// Merges an update that was checked.
    pub(crate) fn merge(&self, state: &mut StateData, update: StateData) {
        if self.channels.is_empty() {
            // Most updates hold a key that is there already: it is found without a hash where there is one, and no room is
            // reserved, as `extend` would.
            for (key, value) in update {
                match state.get_mut(&key) {
                    Some(old) => *old = value,
                    None => drop(state.insert(key, value)),
                }
            }
            return;
        }
        for (key, value) in update {
            match (self.reducer(&key), state.get_mut(&key)) {
                (Reduce::Replace, Some(old)) => *old = value,
                (reduce, Some(old)) => reduce.reduce(old, value),
                (reduce, None) => {
                    let first = match reduce.identity() {
                        Some(mut start) => {
                            reduce.reduce(&mut start, value);
                            start
                        }
                        None => value,
                    };
                    state.insert(key, first);
                }
            }
        }
    }
}

/// Checks the updates of a superstep with several nodes, in declaration order.
pub(crate) struct UpdateCheck<'a> {
    graph: &'a CompiledGraph,
    state: &'a StateData,
    written: HashMap<&'a str, Written<'a>>,
}

/// A key that a node of this superstep has written.
struct Written<'a> {
    node: usize,
    /// What it will hold once the updates so far are merged, as far as later checks look at it.
    value: Cow<'a, Value>,
}

impl<'a> UpdateCheck<'a> {
    pub(crate) fn new(graph: &'a CompiledGraph, state: &'a StateData) -> Self {
        Self { graph, state, written: HashMap::new() }
    }

    /// Checks the update of `node` against the state and the updates checked before it. A refused update counts for
    /// nothing in later checks.
    pub(crate) fn check(&mut self, node: usize, update: &'a StateData) -> Result<(), NodeError> {
        for (key, value) in update {
            let reduce = self.graph.reducer(key);
            let before = self.written.get(key.as_str());
            match (reduce, before) {
                (Reduce::Replace, Some(other)) => return Err(self.conflict(key, other.node, node)),
                _ => {
                    let current = before.map(|w| w.value.as_ref()).or_else(|| self.state.get(key));
                    reduce.check(current, value).map_err(|why| bad_update(key, reduce, &why))?;
                }
            }
        }
        for (key, value) in update {
            self.note(node, key, value);
        }
        Ok(())
    }

    fn note(&mut self, node: usize, key: &'a str, value: &'a Value) {
        let reduce = self.graph.reducer(key);
        let (state, written) = (self.state, self.written.entry(key));
        // Only sums of numbers grow in a way that a later check can trip over; for the others the type is enough.
        let joined = |current: &Value| match (reduce, current, value) {
            (Reduce::Add, Value::Number(_), Value::Number(_)) => {
                let mut total = current.clone();
                reduce.reduce(&mut total, value.clone());
                Some(Cow::Owned(total))
            }
            _ => None,
        };
        match written {
            Entry::Occupied(mut earlier) => {
                if let Some(total) = joined(&earlier.get().value) {
                    earlier.get_mut().value = total;
                }
            }
            Entry::Vacant(place) => {
                let current = state.get(key);
                let value = current.and_then(joined).unwrap_or(match (reduce, current) {
                    (Reduce::Replace, _) | (_, None) => Cow::Borrowed(value),
                    (_, Some(current)) => Cow::Borrowed(current),
                });
                // The first element of an absent `append` channel is not the list that the channel will hold.
                let value = match reduce.identity() {
                    Some(identity) if current.is_none() => Cow::Owned(identity),
                    _ => value,
                };
                place.insert(Written { node, value });
            }
        }
    }

    fn conflict(&self, key: &str, first: usize, second: usize) -> NodeError {
        let name = |index: usize| &self.graph.nodes[index].name;
        NodeError::permanent(
            "conflicting_update",
            format!(
                "nodes `{}` and `{}` both wrote `{key}` in one superstep; give the channel a reducer or run one after \
                 the other",
                name(first),
                name(second)
            ),
        )
    }
}

fn bad_update(key: &str, reduce: Reduce, why: &str) -> NodeError {
    NodeError::permanent("bad_update", format!("update of `{key}` (reduce: {reduce}): {why}"))
}
