//! What may be done with a batch that does not run any more.

use std::fmt;

/// How to go on with a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is kept, and a resume is possible; so commands are given it.
    Resume(String),
    /// Nothing is kept; this command runs it again.
    Again(String),
}

impl Next {
    /// Where it is kept: how commands are given the batch.
    pub(crate) fn kept(&self) -> Option<&str> {
        match self {
            Self::Resume(batch) => Some(batch),
            Self::Again(_) => None,
        }
    }
}

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resume(batch) => write!(f, "`batchmill resume {batch}` goes on with it"),
            Self::Again(command) => write!(f, "`{command}` runs all of it again"),
        }
    }
}

/// Of a batch that is kept, in which jobs failed.
pub(crate) fn after_failures(batch: &str) -> String {
    format!("`batchmill errors {batch}` says why jobs failed, `batchmill retry {batch} --failed` runs them again")
}
