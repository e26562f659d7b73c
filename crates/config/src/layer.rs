//! One source of values, in the order of precedence.

use std::{collections::BTreeMap, path::PathBuf};

use batchmill_core::Problem;
use figment::{
    Error, Metadata, Profile, Provider,
    value::{Dict, Map as Profiles},
};
use serde_json::{Map, Value};

use crate::{
    Origin, Place,
    document::Spans,
    key::{self, Path},
};

/// Where a layer stands; later is stronger. Layers of one rank speak together: variables do not contradict each other by
/// the order in which they happen to be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    Default,
    SystemFile,
    UserFile,
    ProjectFile,
    Environment,
    Flags,
    Sets,
}

/// Who speaks.
#[derive(Debug)]
pub(crate) enum Source {
    Default,
    File { path: PathBuf, text: String, spans: BTreeMap<Path, Spans> },
    Environment { name: String },
    Flag { name: String },
    Set { key: String },
}

/// One source of values.
#[derive(Debug)]
pub(crate) struct Layer {
    /// Its place in the order of precedence.
    pub(crate) rank: Rank,
    /// Who speaks.
    pub(crate) source: Source,
    /// What is said; empty if it could not be read.
    pub(crate) values: Map<String, Value>,
}

impl Layer {
    /// Whether it gives a value (or a table) at `path`; the root is everybody's.
    pub(crate) fn has(&self, path: &[String]) -> bool {
        path.is_empty() || key::find(&self.values, path).is_some()
    }

    /// Where it gives the value at `path`.
    pub(crate) fn origin(&self, path: &[String]) -> Origin {
        self.origin_at(self.offset(path, &Problem::new([""; 0], "")))
    }

    /// The byte where `problem`, whose value or key is at `path`, is to be shown.
    pub(crate) fn offset(&self, path: &[String], problem: &Problem) -> Option<usize> {
        let Source::File { text, spans, .. } = &self.source else { return None };
        let Some(spans) = spans.get(path) else { return problem.offset.filter(|_| path.is_empty()) };
        if problem.at_key {
            return Some(spans.key.start);
        }
        let inside = problem.offset.filter(|_| self.is_verbatim(&text[spans.value.clone()], path));
        // One byte for the opening quote.
        Some(spans.value.start + inside.map_or(0, |offset| 1 + offset))
    }

    /// Whether the string at `path` is written in simple quotes without escapes, so that its bytes are those of the file.
    fn is_verbatim(&self, written: &str, path: &[String]) -> bool {
        let quoted = |quote| written.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        let inner = quoted('"').or_else(|| quoted('\''));
        inner.is_some() && inner == key::find(&self.values, path).and_then(Value::as_str)
    }

    /// The layer as an origin, at a byte where it is a file.
    pub(crate) fn origin_at(&self, offset: Option<usize>) -> Origin {
        match &self.source {
            Source::Default => Origin::Default,
            Source::File { path, text, .. } => {
                Origin::File { path: path.clone(), place: offset.map(|offset| Place::of(text, offset)) }
            }
            Source::Environment { name } => Origin::Environment { name: name.clone() },
            Source::Flag { name } => Origin::Flag { name: name.clone() },
            Source::Set { key } => Origin::Set { key: key.clone() },
        }
    }
}

/// The layer for figment, which merges layers and remembers which of them gave each value.
pub(crate) struct Numbered<'a> {
    /// Its number among the layers: what figment hands back for a value.
    pub(crate) number: usize,
    /// What it says.
    pub(crate) values: &'a Map<String, Value>,
}

impl Provider for Numbered<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.number.to_string())
    }

    fn data(&self) -> Result<Profiles<Profile, Dict>, Error> {
        let dict = figment::value::Value::serialize(self.values)?.into_dict().unwrap_or_default();
        Ok(Profiles::from([(Profile::Default, dict)]))
    }
}
