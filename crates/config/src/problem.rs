//! One thing that is wrong with the configuration.

use std::{error, fmt};

use crate::Origin;

/// One thing that is wrong, with its place: `file:line:column: key: message`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigProblem {
    /// The layer and the place in it.
    pub origin: Origin,
    /// The dotted key; empty where none is meant, as with a syntax error.
    pub key: String,
    /// One sentence: what is wrong and what is allowed.
    pub message: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

impl error::Error for ConfigProblem {}
