//! Channels: how updates to one key of the state are joined.

use std::{cmp::Ordering, fmt};

use serde_json::{Map, Number, Value};

/// What happens to the value of a channel when a node writes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reduce {
    /// The new value takes the place of the old one. One writer a superstep.
    #[default]
    Replace,
    /// Starts as `[]`. A list is concatenated, anything else is one element.
    Append,
    /// Numbers add, strings concatenate; the first value is taken as it is.
    Add,
    /// Starts as `{}`. The keys of the update replace those of the value.
    Merge,
    /// As `merge`, and objects within objects are merged too.
    DeepMerge,
    /// The larger of two numbers, or of two strings by code point.
    Max,
    /// The smaller of two numbers, or of two strings by code point.
    Min,
}

impl Reduce {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Replace, Self::Append, Self::Add, Self::Merge, Self::DeepMerge, Self::Max, Self::Min];

    /// The name in a flow file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::Append => "append",
            Self::Add => "add",
            Self::Merge => "merge",
            Self::DeepMerge => "deep_merge",
            Self::Max => "max",
            Self::Min => "min",
        }
    }

    /// What the channel holds before anything was written, where that is not nothing.
    pub(super) fn identity(self) -> Option<Value> {
        match self {
            Self::Append => Some(Value::Array(Vec::new())),
            Self::Merge | Self::DeepMerge => Some(Value::Object(Map::new())),
            Self::Replace | Self::Add | Self::Max | Self::Min => None,
        }
    }

    /// Whether `update` can be joined to `current`. [`reduce`](Self::reduce) relies on it.
    pub(super) fn check(self, current: Option<&Value>, update: &Value) -> Result<(), String> {
        match self {
            Self::Replace => Ok(()),
            Self::Append => match current {
                None | Some(Value::Array(_)) => Ok(()),
                Some(other) => Err(format!("the channel holds {}, not a list", kind(other))),
            },
            Self::Merge | Self::DeepMerge => match (current, update) {
                (None | Some(Value::Object(_)), Value::Object(_)) => Ok(()),
                (None | Some(Value::Object(_)), other) => Err(format!("expected an object, found {}", kind(other))),
                (Some(other), _) => Err(format!("the channel holds {}, not an object", kind(other))),
            },
            Self::Add => match (current, update) {
                (None, Value::Number(_) | Value::String(_)) | (Some(Value::String(_)), Value::String(_)) => Ok(()),
                (Some(Value::Number(a)), Value::Number(b)) => {
                    sum(a, b).map(drop).ok_or_else(|| format!("{a} + {b} is too large for a number"))
                }
                (current, update) => Err(mismatch("added", current, update)),
            },
            Self::Max | Self::Min => match (current, update) {
                (None, Value::Number(_) | Value::String(_))
                | (Some(Value::Number(_)), Value::Number(_))
                | (Some(Value::String(_)), Value::String(_)) => Ok(()),
                (current, update) => Err(mismatch("compared", current, update)),
            },
        }
    }

    /// Joins `update` to `value`, which [`check`](Self::check) has allowed.
    pub(super) fn reduce(self, value: &mut Value, update: Value) {
        match (self, &mut *value, update) {
            (Self::Append, Value::Array(list), Value::Array(more)) => list.extend(more),
            (Self::Append, Value::Array(list), one) => list.push(one),
            (Self::Merge, Value::Object(map), Value::Object(more)) => map.extend(more),
            (Self::DeepMerge, Value::Object(map), Value::Object(more)) => deep_merge(map, more),
            (Self::Add, Value::String(text), Value::String(more)) => text.push_str(&more),
            (Self::Add, Value::Number(a), Value::Number(b)) => {
                if let Some(total) = sum(a, &b) {
                    *a = total;
                }
            }
            (Self::Max, old, new) if order(&new, old) == Some(Ordering::Greater) => *value = new,
            (Self::Min, old, new) if order(&new, old) == Some(Ordering::Less) => *value = new,
            (Self::Max | Self::Min, ..) => {}
            (_, _, update) => *value = update,
        }
    }
}

impl fmt::Display for Reduce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One key of the state: its reducer, and its value before anything was written.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Channel {
    /// How updates are joined.
    pub reduce: Reduce,
    /// The value at the start.
    pub default: Option<Value>,
}

impl Channel {
    /// A channel without default.
    pub fn new(reduce: Reduce) -> Self {
        Self { reduce, default: None }
    }

    /// The same, starting as `value`.
    #[must_use]
    pub fn starting_as(mut self, value: impl Into<Value>) -> Self {
        self.default = Some(value.into());
        self
    }

    /// The value at the start, or why the default is none that the reducer could go on from.
    pub(super) fn initial(&self) -> Result<Option<Value>, String> {
        match (&self.default, self.reduce) {
            (None, reduce) => Ok(reduce.identity()),
            (Some(Value::Array(list)), Reduce::Append) => Ok(Some(Value::Array(list.clone()))),
            (Some(other), Reduce::Append) => Err(format!("the default of `append` is a list, found {}", kind(other))),
            (Some(value), reduce) => reduce
                .check(None, value)
                .map(|()| Some(value.clone()))
                .map_err(|why| format!("not a default of `{reduce}`: {why}")),
        }
    }
}

/// The type of a value, for messages.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn mismatch(joined: &str, current: Option<&Value>, update: &Value) -> String {
    match (current, update) {
        (Some(current), Value::Number(_) | Value::String(_)) => {
            format!("{} and {} cannot be {joined}", kind(current), kind(update))
        }
        _ => format!("expected a number or a string, found {}", kind(update)),
    }
}

/// Whole numbers stay whole as long as they fit into 64 bits, then they become floating point, as in jq. `None` if not
/// even that is finite.
fn sum(a: &Number, b: &Number) -> Option<Number> {
    if let (Some(a), Some(b)) = (whole(a), whole(b)) {
        let total = a + b;
        if let Ok(total) = i64::try_from(total) {
            return Some(total.into());
        }
        if let Ok(total) = u64::try_from(total) {
            return Some(total.into());
        }
    }
    Number::from_f64(a.as_f64()? + b.as_f64()?)
}

fn whole(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (whole(a), whole(b)) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        // UTF-8 sorts by bytes as it does by code points.
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn deep_merge(map: &mut Map<String, Value>, more: Map<String, Value>) {
    for (key, new) in more {
        match (map.get_mut(&key), new) {
            (Some(Value::Object(old)), Value::Object(new)) => deep_merge(old, new),
            (Some(old), new) => *old = new,
            (None, new) => {
                map.insert(key, new);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Writes `updates` one after the other to a channel; the result, or why it was refused.
    fn check(reduce: Reduce, updates: &[Value]) -> Result<Value, String> {
        let mut value = Channel::new(reduce).initial()?;
        for update in updates {
            reduce.check(value.as_ref(), update)?;
            match &mut value {
                Some(value) => reduce.reduce(value, update.clone()),
                None => value = Some(update.clone()),
            }
        }
        Ok(value.unwrap_or_default())
    }

    #[test]
    fn append_concatenates_lists_and_takes_anything_else_as_one_element() {
        assert_eq!(check(Reduce::Append, &[]), Ok(json!([])));
        assert_eq!(check(Reduce::Append, &[json!(1), json!([2, [3]]), json!(null)]), Ok(json!([1, 2, [3], null])));
    }

    #[test]
    fn add_sums_numbers_and_concatenates_strings() {
        assert_eq!(check(Reduce::Add, &[json!(1), json!(2), json!(0.5)]), Ok(json!(3.5)));
        assert_eq!(check(Reduce::Add, &[json!("a"), json!("b")]), Ok(json!("ab")));
        assert_eq!(check(Reduce::Add, &[json!(i64::MAX), json!(1)]), Ok(json!(9_223_372_036_854_775_808_u64)));
        assert_eq!(check(Reduce::Add, &[json!(u64::MAX), json!(u64::MAX)]), Ok(json!(36_893_488_147_419_103_232_f64)));
        assert_eq!(check(Reduce::Add, &[json!(1), json!("b")]), Err("a number and a string cannot be added".into()));
        assert_eq!(check(Reduce::Add, &[json!(null)]), Err("expected a number or a string, found null".into()));
        assert!(
            check(Reduce::Add, &[json!(f64::MAX), json!(f64::MAX)]).unwrap_err().ends_with("too large for a number")
        );
    }

    #[test]
    fn merge_is_shallow_and_deep_merge_is_not() {
        let updates = [json!({"a": {"x": 1}, "b": 1}), json!({"a": {"y": 2}, "b": {"z": 3}})];
        assert_eq!(check(Reduce::Merge, &updates), Ok(json!({"a": {"y": 2}, "b": {"z": 3}})));
        assert_eq!(check(Reduce::DeepMerge, &updates), Ok(json!({"a": {"x": 1, "y": 2}, "b": {"z": 3}})));
        for reduce in [Reduce::Merge, Reduce::DeepMerge] {
            assert_eq!(check(reduce, &[json!(null)]), Err("expected an object, found null".into()));
        }
    }

    #[test]
    fn max_and_min_compare_numbers_or_strings_by_code_point() {
        assert_eq!(check(Reduce::Max, &[json!(1), json!(2.5), json!(2)]), Ok(json!(2.5)));
        assert_eq!(check(Reduce::Min, &[json!(1), json!(2.5), json!(-2)]), Ok(json!(-2)));
        assert_eq!(check(Reduce::Max, &[json!("Z"), json!("a"), json!("é")]), Ok(json!("é")));
        assert!(check(Reduce::Max, &[json!("Z"), json!(1)]).is_err());
        assert!(check(Reduce::Min, &[json!(null)]).is_err());
    }

    #[test]
    fn a_default_is_one_that_the_reducer_can_go_on_from() {
        for (reduce, default) in [
            (Reduce::Append, json!(1)),
            (Reduce::Add, json!([])),
            (Reduce::Merge, json!(0)),
            (Reduce::Max, json!(null)),
        ] {
            assert!(Channel::new(reduce).starting_as(default).initial().is_err(), "{reduce}");
        }
        assert_eq!(Channel::new(Reduce::Add).starting_as(0).initial(), Ok(Some(json!(0))));
    }
}
