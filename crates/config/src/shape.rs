//! Which keys a layer may have, and what their values must be.
//!
//! A layer is looked at by itself, so that a wrong value is reported even where a stronger layer overrides it, and so
//! that one wrong value hides no other. What is inside `options` is the plugin's, see [`crate::slot`].

use std::{num::NonZeroU32, path::PathBuf};

use batchmill_core::{ErrorClass, Options, Problem, Rate, in_words};
use batchmill_plugin::{ByteSize, HumanDuration};
use serde::de::{DeserializeOwned, Error as _, Unexpected};
use serde_json::{Map, Value};

use crate::{
    AttemptTimeout, Concurrency, Cpus, Durability, MemoryLimit, Nice, OnFault, Percent, StoreKind, StoreOptions,
    Timeout, key::Path, plugins,
};

/// What may stand somewhere.
enum Shape {
    /// A table with these keys and no others.
    Table(&'static [(&'static str, Shape)]),
    /// A list of these.
    List(&'static Shape),
    /// What this check accepts.
    Value(fn(&Value) -> Result<(), String>),
}

use Shape::{List, Table, Value as Leaf};

const SLOT: Shape = Table(&[("kind", Leaf(fits::<String>)), ("options", Leaf(table))]);

static HOST: Shape = Table(&[
    (
        "executor",
        Table(&[
            ("concurrency", Leaf(fits::<Concurrency>)),
            ("timeout", Leaf(fits::<AttemptTimeout>)),
            ("queue_timeout", Leaf(fits::<Timeout>)),
            ("job_timeout", Leaf(fits::<Timeout>)),
            ("drain_timeout", Leaf(fits::<HumanDuration>)),
            ("shutdown_timeout", Leaf(fits::<HumanDuration>)),
            ("crash_limit", Leaf(fits::<NonZeroU32>)),
            ("queue_limit", Leaf(fits::<NonZeroU32>)),
            ("memory_limit", Leaf(fits::<MemoryLimit>)),
        ]),
    ),
    (
        "scheduler",
        Table(&[("kind", Leaf(fits::<String>)), ("options", Leaf(table)), ("share_key", Leaf(fits::<String>))]),
    ),
    ("retry", SLOT),
    ("failure", SLOT),
    ("governor", SLOT),
    (
        "limits",
        List(&Table(&[
            ("name", Leaf(fits::<String>)),
            ("key", Leaf(fits::<String>)),
            ("concurrency", Leaf(fits::<NonZeroU32>)),
            ("rate", Leaf(fits::<Rate>)),
            ("burst", Leaf(fits::<NonZeroU32>)),
            ("units", Leaf(fits::<String>)),
            (
                "breaker",
                Table(&[
                    ("failures", Leaf(fits::<NonZeroU32>)),
                    ("cooldown", Leaf(fits::<Timeout>)),
                    ("probes", Leaf(fits::<NonZeroU32>)),
                    ("on", Leaf(fits::<Vec<ErrorClass>>)),
                ]),
            ),
            ("pauses", Leaf(fits::<bool>)),
        ])),
    ),
    (
        "resources",
        Table(&[
            ("slow_at", Leaf(fits::<Percent<100>>)),
            ("shrink_at", Leaf(fits::<Percent<100>>)),
            ("stop_at", Leaf(fits::<Percent<100>>)),
            ("kill_at", Leaf(fits::<Percent<100>>)),
            ("kill_limit", Leaf(fits::<NonZeroU32>)),
            ("max_load", Leaf(fits::<Percent<10_000>>)),
            ("max_swap", Leaf(fits::<ByteSize>)),
            ("max_memory_stall", Leaf(fits::<Percent<100>>)),
            ("reserve_after", Leaf(fits::<HumanDuration>)),
            ("nice", Leaf(fits::<Nice>)),
            ("cpu_max", Leaf(fits::<Cpus>)),
        ]),
    ),
    (
        "store",
        Table(&[
            ("kind", Leaf(fits::<StoreKind>)),
            ("durability", Leaf(fits::<Durability>)),
            ("options", Leaf(fits::<StoreOptions>)),
        ]),
    ),
    ("checkpoints", SLOT),
    ("sinks", List(&SLOT)),
    ("metrics", SLOT),
    (
        "plugins",
        List(&Table(&[
            ("name", Leaf(fits::<String>)),
            ("path", Leaf(fits::<PathBuf>)),
            ("sha256", Leaf(fits::<String>)),
            ("on_fault", Leaf(fits::<OnFault>)),
            ("recreate_max", Leaf(fits::<NonZeroU32>)),
            ("call_timeout", Leaf(fits::<Timeout>)),
        ])),
    ),
    ("plugin_loading", Table(&[("require_pins", Leaf(fits::<bool>))])),
]);

/// The names of all sections.
pub(crate) fn sections() -> impl Iterator<Item = &'static str> {
    let Table(known) = &HOST else { unreachable!("a config is a table") };
    known.iter().map(|(name, _)| *name)
}

/// The keys of a section; of a list none, which no variable sets one by one.
pub(crate) fn keys(section: &str) -> impl Iterator<Item = &'static str> {
    let Table(known) = &HOST else { unreachable!("a config is a table") };
    let shape = known.iter().find(|(name, _)| *name == section).map(|(_, shape)| shape);
    let keys: &[(&str, Shape)] = if let Some(Table(keys)) = shape { keys } else { &[] };
    keys.iter().map(|(name, _)| *name)
}

/// Everything that is wrong with one layer, but for what plugins know.
pub(crate) fn problems(values: &Options) -> Vec<Problem> {
    let mut problems = Vec::new();
    HOST.walk(values, &mut Path::new(), &mut problems);
    problems.extend(plugins::problems(values));
    problems
}

impl Shape {
    fn walk(&self, table: &Map<String, Value>, path: &mut Path, problems: &mut Vec<Problem>) {
        let Table(known) = self else { unreachable!("only tables are walked") };
        for (key, value) in table {
            path.push(key.clone());
            match known.iter().find(|(name, _)| name == key) {
                Some((_, shape)) => shape.check(value, path, problems),
                None => {
                    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
                    problems.push(Problem::unknown_key(path.clone(), &names));
                }
            }
            path.pop();
        }
    }

    fn check(&self, value: &Value, path: &mut Path, problems: &mut Vec<Problem>) {
        let wrong = match (self, value) {
            (Table(_), Value::Object(inner)) => return self.walk(inner, path, problems),
            (List(each), Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    path.push(index.to_string());
                    each.check(item, path, problems);
                    path.pop();
                }
                return;
            }
            (Table(_), other) => table(other),
            (List(_), other) => Err(invalid_type(other, "a list of tables, as by `[[…]]`")),
            (Leaf(check), value) => check(value),
        };
        if let Err(message) = wrong {
            problems.push(Problem::new(path.clone(), message));
        }
    }
}

fn fits<T: DeserializeOwned>(value: &Value) -> Result<(), String> {
    T::deserialize(value).map(drop).map_err(|error| in_words(&error.to_string()))
}

fn table(value: &Value) -> Result<(), String> {
    if value.is_object() { Ok(()) } else { Err(invalid_type(value, "a table")) }
}

fn invalid_type(value: &Value, expected: &str) -> String {
    let found = match value {
        Value::String(text) => Unexpected::Str(text),
        Value::Bool(value) => Unexpected::Bool(*value),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Unexpected::Signed(whole),
            (None, Some(real)) => Unexpected::Float(real),
            (None, None) => Unexpected::Other("number"),
        },
        Value::Array(_) => Unexpected::Other("list"),
        Value::Object(_) => Unexpected::Other("table"),
        Value::Null => Unexpected::Unit,
    };
    serde_json::Error::invalid_type(found, &expected).to_string()
}

#[cfg(test)]
mod tests {
    use schemars::schema_for;

    use super::*;
    use crate::HostConfig;

    /// The keys of the schema, as far as it describes tables.
    fn keys(root: &Value, schema: &Value) -> Value {
        let target = match schema.get("$ref").and_then(Value::as_str) {
            Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap(),
            None => schema,
        };
        if let Some(branch) = target.get("anyOf").and_then(|branches| branches.get(0)) {
            return keys(root, branch);
        }
        match (target.get("properties"), target.get("items")) {
            (Some(Value::Object(map)), _) => map.iter().map(|(key, each)| (key.clone(), keys(root, each))).collect(),
            // A list of tables; one of anything else is a value.
            (_, Some(each)) => {
                Some(keys(root, each)).filter(Value::is_object).map_or(Value::Null, |each| vec![each].into())
            }
            _ => Value::Null,
        }
    }

    fn known(shape: &Shape) -> Value {
        match shape {
            Table(entries) => entries.iter().map(|(key, shape)| ((*key).to_owned(), known(shape))).collect(),
            List(each) => Value::Array(vec![known(each)]),
            Leaf(_) => Value::Null,
        }
    }

    #[test]
    fn the_keys_are_those_of_the_types() {
        let schema = schema_for!(HostConfig).to_value();
        assert_eq!(known(&HOST), keys(&schema, &schema));
    }
}
