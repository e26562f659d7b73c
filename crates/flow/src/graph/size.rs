//! How large a state is, and by how much an update makes it grow.
//!
//! A size is about the length of the JSON text: text by its bytes, keys with their quotes and signs, numbers and booleans
//! by a fixed size. It is a measure, not a rendering: cheap, the same on every machine, and additive, so that a run need
//! not measure its whole state after every superstep.

use batchmill_core::{NodeError, StateData, format_size};
use serde_json::Value;

use super::{CompiledGraph, Reduce};

/// The most that a state holds unless its flow says otherwise.
pub(crate) const STATE_LIMIT: u64 = 16 << 20;

/// The size of a list or an object around its content.
const BRACKETS: u64 = 2;
/// The size of a comma.
const COMMA: u64 = 1;
/// The size of a key beside its text: quotes, colon, comma.
const KEY: u64 = 4;
/// The size of anything that is neither text, list nor object.
const SCALAR: u64 = 8;

fn bytes(length: usize) -> u64 {
    length as u64
}

fn size(value: &Value) -> u64 {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => SCALAR,
        Value::String(text) => bytes(text.len()) + BRACKETS,
        Value::Array(items) => BRACKETS + items.iter().map(|item| size(item) + COMMA).sum::<u64>(),
        Value::Object(map) => size_of(map),
    }
}

fn entry(key: &str, value: &Value) -> u64 {
    bytes(key.len()) + KEY + size(value)
}

/// The size of a state or of an update. The state after a merge is never larger than both together.
pub(crate) fn size_of(data: &StateData) -> u64 {
    BRACKETS + data.iter().map(|(key, value)| entry(key, value)).sum::<u64>()
}

/// By how much a value grows when `update` is joined to it, which the reducer allows. Less than zero where it shrinks.
fn growth(reduce: Reduce, current: &Value, update: &Value) -> i64 {
    let replaced = || signed(size(update)) - signed(size(current));
    match (reduce, current, update) {
        (Reduce::Append, _, Value::Array(more)) => signed(more.iter().map(|item| size(item) + COMMA).sum()),
        (Reduce::Append, _, one) => signed(size(one) + COMMA),
        (Reduce::Add, Value::String(_), Value::String(more)) => signed(bytes(more.len())),
        (Reduce::Add, ..) => 0,
        (Reduce::Merge | Reduce::DeepMerge, Value::Object(map), Value::Object(more)) => {
            let each = more.iter().map(|(key, new)| match (reduce, map.get(key)) {
                (Reduce::DeepMerge, Some(old @ Value::Object(_))) if new.is_object() => growth(reduce, old, new),
                (_, Some(old)) => signed(size(new)) - signed(size(old)),
                (_, None) => signed(entry(key, new)),
            });
            each.sum()
        }
        // The larger or smaller of two: at most as much as if it were replaced.
        (Reduce::Max | Reduce::Min, ..) => replaced().max(0),
        _ => replaced(),
    }
}

fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

impl CompiledGraph {
    /// By how much a state grows when an update that was checked is merged into it.
    pub(crate) fn growth(&self, state: &StateData, update: &StateData) -> i64 {
        let each = update.iter().map(|(key, value)| match state.get(key) {
            Some(current) => growth(self.reducer(key), current, value),
            // A list that begins with something that is none has its brackets too.
            None => signed(entry(key, value) + BRACKETS),
        });
        each.sum()
    }

    /// The error of an update that would make the state larger than it may be.
    pub(crate) fn state_too_large(&self, grown: u64) -> NodeError {
        let (limit, grown) = (format_size(self.state_limit), grown.div_ceil(1024));
        NodeError::new(
            batchmill_core::ErrorClass::Resource,
            "state_too_large",
            format!(
                "with this update the state would have about {grown}KiB, more than its {limit} (`state_limit`); keep large \
                 data in files and their names in the state"
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{Channel, StateGraph, node_fn};

    fn graph() -> CompiledGraph {
        let channels = Reduce::ALL.iter().map(|reduce| (reduce.as_str(), Channel::new(*reduce)));
        let graph = channels.fold(StateGraph::new("g"), |graph, (name, channel)| graph.channel(name, channel));
        graph.node("n", node_fn(|_| ())).compile().unwrap()
    }

    fn object() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(json!(null)), (0..99).prop_map(Value::from), "[a-z]{0,30}".prop_map(Value::from)];
        let inner = leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[abc]", inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect()))
            ]
        });
        prop::collection::btree_map("[abc]", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect()))
    }

    fn update() -> impl Strategy<Value = StateData> {
        let text = || "[a-z]{0,20}".prop_map(Value::from);
        (object(), object(), object(), object(), text(), text(), text(), 0..128_u8).prop_map(
            |(replace, append, merge, deep_merge, add, max, min, present)| {
                let all = [
                    ("replace", replace),
                    ("append", append),
                    ("add", add),
                    ("merge", merge),
                    ("deep_merge", deep_merge),
                    ("max", max),
                    ("min", min),
                ];
                let kept = all.into_iter().enumerate().filter(|(i, _)| present >> i & 1 == 1);
                kept.map(|(_, (key, value))| (key.to_owned(), value)).collect()
            },
        )
    }

    proptest! {
        /// A run adds the sizes of updates up; that must never be less than what the state really has.
        #[test]
        fn a_merged_state_is_never_larger_than_state_and_update_together(updates in prop::collection::vec(update(), 1..5)) {
            let graph = graph();
            let mut state = graph.initial_state(StateData::new()).unwrap();
            for update in updates {
                let (before, added) = (size_of(&state), size_of(&update));
                let growth = graph.growth(&state, &update);
                graph.check_update(&state, &update).unwrap();
                graph.merge(&mut state, update);
                let after = size_of(&state);
                prop_assert!(after <= before + added);
                prop_assert!(i64::try_from(after).unwrap() <= i64::try_from(before).unwrap() + growth);
            }
        }
    }

    #[test]
    fn a_size_is_about_the_length_of_the_json() {
        let state = json!({"path": "a/b.txt", "sizes": [1, 2, 3], "deep": {"on": true}});
        let (measured, written) = (size(&state), bytes(state.to_string().len()));
        assert!(measured >= written && measured < 2 * written, "{measured} {written}");
    }

    #[test]
    fn what_is_replaced_makes_room() {
        let graph = graph();
        let state = StateData::from_iter([("x".to_owned(), json!("a".repeat(1000)))]);
        assert_eq!(graph.growth(&state, &StateData::from_iter([("x".to_owned(), json!("a"))])), -999);
    }
}
