//! The settings of `jsonl`.

use std::path::PathBuf;

use batchmill_core::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where results are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Options {
    /// The file; relative to the folder that the host names. Required.
    pub path: PathBuf,
    /// Whether a file that has content is emptied. Without it such a file is refused.
    #[serde(default)]
    pub overwrite: bool,
}

impl Options {
    /// Writes to `path`, which must not have content.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), overwrite: false }
    }

    pub(crate) fn problems(&self) -> Vec<Problem> {
        if self.path.as_os_str().is_empty() { vec![Problem::new(["path"], "must name a file")] } else { Vec::new() }
    }
}
