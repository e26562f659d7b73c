//! When an arm of a branch matches.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use batchmill_core::{NodeError, StateData};

use crate::{
    engine::crash,
    expr::{Filter, Vars},
};

/// A question to the merged state after a superstep: a jq filter or a Rust closure.
#[derive(Clone)]
#[non_exhaustive]
pub enum Condition {
    /// jq; everything but `false` and `null` holds.
    Filter(Filter),
    /// Rust.
    Closure(Arc<dyn Fn(&StateData) -> bool + Send + Sync>),
}

impl Condition {
    pub(crate) fn holds(&self, state: &StateData, vars: &Vars<'_>) -> Result<bool, NodeError> {
        match self {
            Self::Filter(filter) => filter.run_bool(state, vars),
            Self::Closure(closure) => catch_unwind(AssertUnwindSafe(|| closure(state))).map_err(crash),
        }
    }
}

impl<F: Fn(&StateData) -> bool + Send + Sync + 'static> From<F> for Condition {
    fn from(closure: F) -> Self {
        Self::Closure(Arc::new(closure))
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filter(filter) => fmt::Debug::fmt(filter, f),
            Self::Closure(_) => f.write_str("closure"),
        }
    }
}
