//! What nodes tell of their runs while somebody looks on.

use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::StateData;

/// What a run of a node did beside its update, by names such as `argv`, `stdout`, `exit_code`: plain data, for people.
///
/// A batch keeps none; a node makes them through [`NodeContext::note`](crate::NodeContext::note), which costs nothing then.
#[derive(Debug, Default)]
pub struct Notes(Mutex<StateData>);

impl Notes {
    /// Adds one; a later one of the same name takes its place.
    pub fn add(&self, key: &str, value: Value) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), value);
    }

    /// All of them, in the order in which they were first made.
    pub fn into_inner(self) -> StateData {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
