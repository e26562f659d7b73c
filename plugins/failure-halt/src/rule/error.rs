//! What is wrong with a rule, and where.

use std::fmt;

/// Why a text or a table is no rule: everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Error {
    /// At least one, in the order of the rule.
    pub faults: Vec<Fault>,
}

/// One thing that is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// A sentence: what is wrong and what to write instead.
    pub message: String,
    /// Where.
    pub place: Place,
}

/// A place in a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// Keys and list indices from the rule's table; empty for a rule that is a line, and for a rule as a whole.
    pub path: Vec<String>,
    /// The byte of the line.
    pub offset: Option<usize>,
}

impl Place {
    pub(super) fn at_byte(offset: usize) -> Self {
        Self { path: Vec::new(), offset: Some(offset) }
    }

    pub(super) fn at_key<P: Into<String>>(path: impl IntoIterator<Item = P>) -> Self {
        Self { path: path.into_iter().map(Into::into).collect(), offset: None }
    }
}

impl Fault {
    pub(super) fn new(place: Place, message: impl Into<String>) -> Self {
        Self { message: message.into(), place }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self { faults: vec![fault] }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, fault) in self.faults.iter().enumerate() {
            let separator = if place == 0 { "" } else { "; " };
            write!(f, "{separator}{}", fault.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
