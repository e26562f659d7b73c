//! `-o`: how a command writes what it found to stdout.

use std::fmt::Display;

use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::stdout;

/// Flattened into every command that shows something. A command with more to say about a form says it with `mut_arg`.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct FormatArgs {
    /// How the answer is written
    #[arg(
        short = 'o',
        long,
        value_name = "FORMAT",
        env = "BATCHMILL_FORMAT",
        hide_env = true,
        default_value = "table"
    )]
    pub(crate) format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// One JSON value
    Json,
    /// One JSON object a line
    Jsonl,
}

impl Format {
    /// One thing: its text for people, or the value that it is.
    pub(crate) fn one(self, value: &Value, text: impl Display) -> String {
        match self {
            Self::Table => text.to_string(),
            Self::Json => stdout::pretty(value),
            Self::Jsonl => format!("{value}\n"),
        }
    }

    /// A list of things: their text for people, or the values that they are.
    pub(crate) fn many(self, values: Vec<Value>, text: impl Display) -> String {
        match self {
            Self::Table => text.to_string(),
            Self::Json => stdout::pretty(&Value::Array(values)),
            Self::Jsonl => values.iter().map(|value| format!("{value}\n")).collect(),
        }
    }
}
