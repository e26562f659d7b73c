//! A TOML text as plain values, with the place of each.

use std::{collections::BTreeMap, ops::Range};

use batchmill_core::Problem;
use serde_json::{Map, Number, Value};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    depth::{TOO_DEEP, too_deep},
    key::Path,
};

/// Where a value is written: byte ranges of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spans {
    /// Its key; for an item of a list the item itself.
    pub(crate) key: Range<usize>,
    /// The value; for a table with a header the header.
    pub(crate) value: Range<usize>,
}

/// A parsed text.
#[derive(Debug, Default)]
pub(crate) struct Document {
    /// The values; empty if the text is no TOML.
    pub(crate) values: Map<String, Value>,
    /// Where each is written.
    pub(crate) spans: BTreeMap<Path, Spans>,
    /// What is wrong: at a value that is kept out of `values`, or (with an empty path) at a byte.
    pub(crate) problems: Vec<Problem>,
}

/// Reads a TOML text. Mistakes of syntax are reported alone: what is read around them is a guess.
pub(crate) fn parse(text: &str) -> Document {
    let mut document = Document::default();
    if let Some(at) = too_deep(text) {
        document.problems.push(Problem::new([""; 0], TOO_DEEP).at_offset(at));
        return document;
    }
    let (root, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        document.values = document.table(root.get_ref(), &mut Vec::new());
    }
    document.problems.extend(errors.iter().map(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        Problem::new([""; 0], error.message().trim_end().replace('\n', ", ")).at_offset(offset)
    }));
    document
}

/// How a quoted string, a list or a table begins.
const OPENING: [char; 4] = ['"', '\'', '[', '{'];

/// Reads the value of a variable or a flag: a TOML value; anything that does not start like a quoted string, a list or a
/// table and is no TOML value is a bare word, a string as it stands.
pub(crate) fn value_or_word(text: &str) -> Result<Value, String> {
    if too_deep(text).is_some() {
        return if text.trim_start().starts_with(OPENING) { Err(TOO_DEEP.to_owned()) } else { Ok(text.into()) };
    }
    match DeValue::parse(text.trim()) {
        Ok(value) => plain(value.get_ref()),
        Err(error) if text.trim_start().starts_with(OPENING) => Err(error.message().trim_end().replace('\n', ", ")),
        Err(_) => Ok(text.into()),
    }
}

/// Reads a dotted key, whose parts may be quoted.
pub(crate) fn dotted_key(text: &str) -> Option<Path> {
    if text.contains(['\n', '\r', '#']) || too_deep(text).is_some() {
        return None;
    }
    let assignment = format!("{text} = 0");
    let root = DeTable::parse(&assignment).ok()?;
    let (mut table, mut path) = (root.get_ref(), Vec::new());
    loop {
        let (key, value) = table.iter().next()?;
        path.push(key.get_ref().clone().into_owned());
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => return Some(path),
        }
    }
}

impl Document {
    fn table(&mut self, table: &DeTable<'_>, path: &mut Path) -> Map<String, Value> {
        let mut entries: Vec<_> = table.iter().collect();
        // As written, not as sorted: what the user sees keeps the user's order.
        entries.sort_by_key(|(key, _)| key.span().start);
        let mut values = Map::new();
        for (key, value) in entries {
            path.push(key.get_ref().clone().into_owned());
            if let Some(value) = self.value(key.span(), value, path) {
                values.insert(key.get_ref().clone().into_owned(), value);
            }
            path.pop();
        }
        values
    }

    fn value(&mut self, key: Range<usize>, value: &Spanned<DeValue<'_>>, path: &mut Path) -> Option<Value> {
        self.spans.insert(path.clone(), Spans { key, value: value.span() });
        match value.get_ref() {
            DeValue::Table(table) => Some(self.table(table, path).into()),
            DeValue::Array(items) => {
                let mut list = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    path.push(index.to_string());
                    list.extend(self.value(item.span(), item, path));
                    path.pop();
                }
                // Without one of its items it would be another list.
                (list.len() == items.len()).then_some(Value::Array(list))
            }
            scalar => match plain(scalar) {
                Ok(value) => Some(value),
                Err(message) => {
                    self.problems.push(Problem::new(path.clone(), message));
                    None
                }
            },
        }
    }
}

/// The value without places.
fn plain(value: &DeValue<'_>) -> Result<Value, String> {
    Ok(match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Boolean(value) => Value::from(*value),
        // Options are JSON, which has no moments: their text is what a plugin reads.
        DeValue::Datetime(moment) => Value::from(moment.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(Value::from)
            .map_err(|_| format!("the number {number} does not fit into 64 bits"))?,
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .ok()
            .and_then(Number::from_f64)
            .map(Value::Number)
            .ok_or_else(|| format!("the number {number} is not finite"))?,
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| plain(item.get_ref())).collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => {
            let entry = |(key, value): (&Spanned<_>, &Spanned<_>)| -> Result<(String, Value), String> {
                let key: &std::borrow::Cow<'_, str> = key.get_ref();
                Ok((key.clone().into_owned(), plain(value.get_ref())?))
            };
            Value::Object(table.iter().map(entry).collect::<Result<_, _>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_value_has_its_place() {
        let text = "[a]\nb = 1\n[[c]]\nd.e = \"x\"\n";
        let document = parse(text);
        assert_eq!(Value::from(document.values), json!({"a": {"b": 1}, "c": [{"d": {"e": "x"}}]}));
        let written = |path: &[&str]| {
            let spans = &document.spans[&path.iter().map(ToString::to_string).collect::<Path>()];
            (&text[spans.key.clone()], &text[spans.value.clone()])
        };
        assert_eq!(written(&["a"]), ("a", "[a]"));
        assert_eq!(written(&["a", "b"]), ("b", "1"));
        assert_eq!(written(&["c", "0"]), ("[[c]]", "[[c]]"));
        assert_eq!(written(&["c", "0", "d", "e"]), ("e", "\"x\""));
    }

    #[test]
    fn every_mistake_of_syntax_is_reported() {
        let problems = parse("a = \nb = 1\nb = 2\nc = \"x\n").problems;
        let found: Vec<_> = problems.iter().map(|p| (p.offset.unwrap(), p.message.as_str())).collect();
        assert_eq!(
            found,
            [
                (4, "string values must be quoted, expected literal string"),
                (11, "duplicate key"),
                (23, "invalid basic string, expected `\"`")
            ]
        );
    }

    #[test]
    fn numbers_that_options_cannot_hold_are_refused_and_moments_are_text() {
        let document = parse("a = nan\nb = 99999999999999999999\nc = 2026-11-23\nd = 0x1F\ne = 1.0");
        assert_eq!(Value::from(document.values), json!({"c": "2026-11-23", "d": 31, "e": 1.0}));
        let messages: Vec<_> = document.problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            messages,
            ["a: the number nan is not finite", "b: the number 99999999999999999999 does not fit into 64 bits"]
        );
    }

    #[test]
    fn a_value_of_a_flag_is_toml_or_a_bare_word() {
        for (text, value) in [
            ("10", json!(10)),
            ("true", json!(true)),
            ("\"10\"", json!("10")),
            ("[1, 2]", json!([1, 2])),
            ("{ a = 1 }", json!({"a": 1})),
            ("5m", json!("5m")),
            ("75%", json!("75%")),
            ("soon,fail=10%", json!("soon,fail=10%")),
            ("127.0.0.1:9464", json!("127.0.0.1:9464")),
            ("/a b/#c", json!("/a b/#c")),
            ("10 # ten", json!("10 # ten")),
            ("a = 1", json!("a = 1")),
            ("", json!("")),
        ] {
            assert_eq!(value_or_word(text), Ok(value), "{text}");
        }
        for text in ["[1, 2", "\"x", "{ a = }"] {
            assert!(value_or_word(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_may_have_quoted_parts() {
        assert_eq!(dotted_key("a.\"b.c\".d-e"), Some(vec!["a".into(), "b.c".into(), "d-e".into()]));
        for bad in ["", ".", "a.", "a b", "a = 1\nb", "a#", "[a]"] {
            assert_eq!(dotted_key(bad), None, "{bad}");
        }
    }
}
