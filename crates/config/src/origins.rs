//! Where each value comes from, and where a contradiction of two of them is told.

use std::collections::BTreeMap;

use crate::{
    ConfigProblem, Origin,
    key::{self, Path},
};

/// The origin of every value that some layer gives.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Origins(BTreeMap<Path, Origin>);

impl Origins {
    pub(crate) fn note(&mut self, path: Path, origin: Origin) {
        self.0.insert(path, origin);
    }

    /// That of the value at `path`. A key below a list or a table that is given as a whole has the origin of the whole.
    pub(crate) fn of(&self, path: &[String]) -> &Origin {
        let known = (1..=path.len()).rev().find_map(|length| self.0.get(&path[..length]));
        // What no layer gives is a default of the code.
        known.unwrap_or(&Origin::Default)
    }

    /// Who gave the value of a key, such as `["executor", "timeout"]`; `None` for a default, which is nobody's word and
    /// contradicts nothing. A value that a user wrote is given, whichever it is.
    pub fn given(&self, key: &[&str]) -> Option<&Origin> {
        Some(self.of(&path(key))).filter(|origin| **origin != Origin::Default)
    }

    /// What is wrong with the value of a key, at its place.
    pub fn problem(&self, key: &[&str], message: String) -> ConfigProblem {
        let path = path(key);
        ConfigProblem { origin: self.of(&path).clone(), key: key::dotted(&path), message }
    }

    /// Two values contradict each other: told at the first, unless that is a default; then at the second. The message names
    /// both.
    pub fn contradiction(&self, first: &[&str], second: &[&str], message: String) -> ConfigProblem {
        let at_second = self.given(first).is_none() && self.given(second).is_some();
        self.problem(if at_second { second } else { first }, message)
    }
}

fn path(key: &[&str]) -> Path {
    key.iter().map(|key| (*key).to_owned()).collect()
}
