//! A rule as it stands in config, before it is read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Rule,
    error::{Error, Fault, Place},
    table,
};

/// A rule as it stands in options: a line, or a table. It takes whatever stands there, so that everything that is wrong
/// with it can be told at once, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RuleSpec(Value);

impl RuleSpec {
    /// Reads it.
    pub fn parse(&self) -> Result<Rule, Error> {
        match &self.0 {
            Value::String(line) => line.parse(),
            Value::Object(table) => table::read(table),
            _ => {
                let form = "a rule is a string such as \"soon,fail=10%\", or a table such as \
                            { when = \"soon\", fail_rate = \"20%\", window = 100 }";
                Err(Fault::new(Place::default(), form).into())
            }
        }
    }
}

impl From<&Rule> for RuleSpec {
    fn from(rule: &Rule) -> Self {
        Self(Value::String(rule.to_string()))
    }
}

/// What editors and the check of unknown keys know of a rule. Nothing is read into these.
pub(crate) mod schema {
    #![expect(dead_code, reason = "only their schema is used")]

    use super::JsonSchema;

    /// A rule.
    #[derive(JsonSchema)]
    #[schemars(untagged)]
    pub(crate) enum AnyRule {
        /// A line in GNU parallel's grammar: `never`, `soon,fail=10%`, `now,success=1`, `pause,fail_rate=20%,window=100`.
        Line(String),
        /// The same as a table.
        Table(Box<RuleTable>),
    }

    /// A rule as a table: `when`, one of the conditions `fail`, `success`, `done` and `fail_rate`, and qualifiers.
    #[derive(JsonSchema)]
    #[schemars(deny_unknown_fields)]
    pub(crate) struct RuleTable {
        /// soon: start nothing more; now: stop what runs too; pause: start nothing until a person says so.
        when: When,
        /// So many jobs failed: a number, or a percentage such as "10%".
        fail: Option<Amount>,
        /// So many jobs succeeded: a number, or a percentage such as "10%".
        success: Option<Amount>,
        /// So many jobs ended: a number, or a percentage such as "10%".
        done: Option<Amount>,
        /// So large a part of the jobs that have ended failed, such as "20%".
        fail_rate: Option<String>,
        /// What a percentage is of: all jobs of the batch (total, the default), or those that have ended (done).
        of: Option<Of>,
        /// The rule waits until so many jobs have ended.
        min_sample: Option<u64>,
        /// Only so many of the last ends count.
        window: Option<u64>,
        /// Only failures of these error classes count.
        classes: Option<Vec<Class>>,
    }

    #[derive(JsonSchema)]
    #[schemars(rename_all = "snake_case")]
    enum When {
        Soon,
        Now,
        Pause,
    }

    #[derive(JsonSchema)]
    #[schemars(untagged)]
    enum Amount {
        Jobs(u64),
        Percentage(String),
    }

    #[derive(JsonSchema)]
    #[schemars(rename_all = "snake_case")]
    enum Of {
        Total,
        Done,
    }

    #[derive(JsonSchema)]
    #[schemars(rename_all = "snake_case")]
    enum Class {
        Transient,
        Recoverable,
        Permanent,
        Timeout,
        Resource,
        Crash,
    }
}
