//! What is wrong with the text of an expression, and where.

use std::fmt;

/// A mistake in the text of an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct ExprError {
    /// Byte offset of the mistake in the text.
    pub offset: usize,
    /// One sentence: what is wrong and what is allowed.
    pub message: String,
}

impl ExprError {
    pub(crate) fn new(offset: usize, message: impl Into<String>) -> Self {
        Self { offset, message: message.into() }
    }

    /// The same in a text that has `before` bytes more at its beginning.
    pub(crate) fn shifted(mut self, before: usize) -> Self {
        self.offset += before;
        self
    }
}

impl fmt::Display for ExprError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
