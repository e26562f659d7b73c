//! The settings of `csv`.

use std::{collections::BTreeMap, path::PathBuf};

use batchmill_core::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::columns::{Columns, Field};

/// Where and how results are written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Options {
    /// The file; relative to the folder that the host names. Required.
    pub path: PathBuf,
    /// Whether a file that has content is emptied. Without it such a file is refused.
    #[serde(default)]
    pub overwrite: bool,
    /// The columns, in their order: fields of a result, and names of `expressions`.
    #[serde(default = "Field::all")]
    pub columns: Vec<String>,
    /// Columns that are computed: jq over the result as JSON, by the name of the column.
    #[serde(default)]
    pub expressions: BTreeMap<String, String>,
    /// Whether the first line names the columns.
    #[serde(default = "yes")]
    pub header: bool,
    /// What stands between two values: one ASCII character.
    #[serde(default = "comma")]
    pub delimiter: char,
    /// How lines end.
    #[serde(default)]
    pub line_end: LineEnd,
}

/// How lines end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LineEnd {
    /// As text files have it: what `cut`, `sort` and `awk` expect.
    #[default]
    Lf,
    /// As RFC 4180 has it.
    Crlf,
}

impl LineEnd {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Lf => "\n",
            Self::Crlf => "\r\n",
        }
    }
}

fn yes() -> bool {
    true
}

fn comma() -> char {
    ','
}

impl Options {
    /// Writes all fields of results to `path`, which must not have content.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            overwrite: false,
            columns: Field::all(),
            expressions: BTreeMap::new(),
            header: true,
            delimiter: comma(),
            line_end: LineEnd::Lf,
        }
    }

    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = Columns::compile(self).err().unwrap_or_default();
        if self.path.as_os_str().is_empty() {
            problems.push(Problem::new(["path"], "must name a file"));
        }
        let delimiter = self.delimiter;
        if !delimiter.is_ascii() || matches!(delimiter, '"' | '\r' | '\n' | '\0') {
            let message = "must be one ASCII character, and neither a quote nor the end of a line";
            problems.push(Problem::new(["delimiter"], message));
        }
        problems
    }
}
