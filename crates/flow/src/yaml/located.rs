//! Values with their places.

use std::fmt;

use serde_json::Value as Json;

use super::origin::Origin;

/// A line and a column, both from 1. Columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
}

impl Place {
    /// The beginning of the file.
    pub const START: Self = Self { line: 1, column: 1 };
}

impl fmt::Display for Place {
    /// `line:column`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A value and where it begins.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Located {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// What is there.
    pub value: LocatedValue,
    pub(super) origin: Option<Origin>,
}

/// A value, with the places of what is in it.
#[derive(Debug, Clone)]
pub enum LocatedValue {
    /// Nothing, `null` or `~`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number that only fits without a sign.
    UInt(u64),
    /// Any other number.
    Float(f64),
    /// A text.
    Str(String),
    /// A list.
    Seq(Vec<Located>),
    /// A map, in the order of the file. Every key occurs once.
    Map(Vec<(LocatedKey, Located)>),
}

/// A key and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocatedKey {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// The key; what looks like a number or a boolean is text here.
    pub name: String,
}

impl LocatedKey {
    /// Where it begins.
    pub fn position(&self) -> Place {
        Place { line: self.line, column: self.column }
    }
}

impl Located {
    /// Where it begins.
    pub fn position(&self) -> Place {
        Place { line: self.line, column: self.column }
    }

    /// Where byte `offset` of a text was written; the beginning for anything else.
    pub fn position_in(&self, offset: usize) -> Place {
        match (&self.value, &self.origin) {
            (LocatedValue::Str(text), Some(origin)) => origin.place(self.position(), text, offset),
            _ => self.position(),
        }
    }

    /// What is below `path`: a key of a map or an index of a list each.
    pub fn at<S: AsRef<str>>(&self, path: &[S]) -> Option<&Self> {
        path.iter().try_fold(self, |here, step| here.child(step.as_ref()))
    }

    /// The key that the last step of `path` names.
    pub fn key_at<S: AsRef<str>>(&self, path: &[S]) -> Option<&LocatedKey> {
        let (last, parents) = path.split_last()?;
        match &self.at(parents)?.value {
            LocatedValue::Map(entries) => entries.iter().map(|(key, _)| key).find(|key| key.name == last.as_ref()),
            _ => None,
        }
    }

    /// The best place for a problem at `path`: of the key, of a byte inside the text, or of the value. Where the path
    /// leads nowhere (a missing key), the nearest thing above it.
    pub fn place<S: AsRef<str>>(&self, path: &[S], offset: Option<usize>, at_key: bool) -> Place {
        if at_key && let Some(key) = self.key_at(path) {
            return key.position();
        }
        match (self.at(path), offset) {
            (Some(found), Some(offset)) => found.position_in(offset),
            (Some(found), None) => found.position(),
            (None, _) => match path.split_last() {
                // What a map lacks is missed at the key of that map.
                Some((_, parents)) => match self.key_at(parents) {
                    Some(key) if self.at(parents).is_some() => key.position(),
                    _ => self.place(parents, None, false),
                },
                None => self.position(),
            },
        }
    }

    /// A map's entries, in the order of the file.
    pub fn as_map(&self) -> Option<&[(LocatedKey, Self)]> {
        match &self.value {
            LocatedValue::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// A list's elements.
    pub fn as_seq(&self) -> Option<&[Self]> {
        match &self.value {
            LocatedValue::Seq(items) => Some(items),
            _ => None,
        }
    }

    /// A text.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            LocatedValue::Str(text) => Some(text),
            _ => None,
        }
    }

    /// What it is, for messages: `a map`, `a list`, `text`, …
    pub fn what(&self) -> &'static str {
        match &self.value {
            LocatedValue::Null => "nothing",
            LocatedValue::Bool(_) => "a boolean",
            LocatedValue::Int(_) | LocatedValue::UInt(_) | LocatedValue::Float(_) => "a number",
            LocatedValue::Str(_) => "text",
            LocatedValue::Seq(_) => "a list",
            LocatedValue::Map(_) => "a map",
        }
    }

    /// The same without places.
    pub fn to_json(&self) -> Json {
        match &self.value {
            LocatedValue::Null => Json::Null,
            LocatedValue::Bool(value) => Json::from(*value),
            LocatedValue::Int(number) => Json::from(*number),
            LocatedValue::UInt(number) => Json::from(*number),
            LocatedValue::Float(number) => Json::from(*number),
            LocatedValue::Str(text) => Json::from(text.as_str()),
            LocatedValue::Seq(items) => items.iter().map(Self::to_json).collect(),
            LocatedValue::Map(entries) => {
                entries.iter().map(|(key, value)| (key.name.clone(), value.to_json())).collect()
            }
        }
    }

    fn child(&self, step: &str) -> Option<&Self> {
        match &self.value {
            LocatedValue::Map(entries) => entries.iter().find(|(key, _)| key.name == step).map(|(_, value)| value),
            LocatedValue::Seq(items) => items.get(step.parse::<usize>().ok()?),
            _ => None,
        }
    }
}
