//! What is wrong with a flow file, and where.

use std::{fmt, sync::Arc};

use crate::yaml::Place;

/// One thing that is wrong with a flow file. Displays as `file:line:column: key.path: message`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlowProblem {
    /// The file, as it was named by the user.
    pub file: Arc<str>,
    /// Line and column.
    pub place: Place,
    /// Keys and list indices from the root; empty for the file as a whole.
    pub path: Vec<String>,
    /// One sentence: what is wrong and what is allowed.
    pub message: String,
    /// Whether the file is right, and something outside is not as the flow needs it: a variable that is not set.
    pub is_outside: bool,
}

impl FlowProblem {
    pub(super) fn new(file: impl Into<Arc<str>>, place: Place, path: Vec<String>, message: impl Into<String>) -> Self {
        Self { file: file.into(), place, path, message: message.into(), is_outside: false }
    }
}

impl fmt::Display for FlowProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.place)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path.join("."))?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for FlowProblem {}
