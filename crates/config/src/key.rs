//! Paths to values, and how they are written.

use serde_json::{Map, Value};

/// Keys and list indices from the root.
pub(crate) type Path = Vec<String>;

/// The path as TOML writes it: bare keys bare, others quoted.
pub(crate) fn dotted(path: &[String]) -> String {
    path.iter().map(|key| quoted(key)).collect::<Vec<_>>().join(".")
}

/// One key as TOML writes it.
pub(crate) fn quoted(key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { key.to_owned() } else { basic_string(key) }
}

/// The text as a TOML basic string, on one line: a JSON string, but for DEL, which TOML wants escaped.
pub(crate) fn basic_string(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}

/// The value at `path`; list indices are decimal.
pub(crate) fn find<'a>(values: &'a Map<String, Value>, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(values.get(first)?, |value, key| match value {
        Value::Object(table) => table.get(key),
        Value::Array(list) => list.get(key.parse::<usize>().ok()?),
        _ => None,
    })
}

/// A table that holds only `value`, at `path`.
pub(crate) fn nest(path: &[String], value: Value) -> Map<String, Value> {
    let mut table = Map::new();
    match path {
        [] => {}
        [key] => {
            table.insert(key.clone(), value);
        }
        [key, rest @ ..] => {
            table.insert(key.clone(), nest(rest, value).into());
        }
    }
    table
}
