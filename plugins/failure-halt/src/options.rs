//! The settings of `halt`.

use batchmill_core::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Rule;

/// When failures stop the batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Options {
    /// Tried in this order after each job's end; the first that is reached stops the batch. `never`, or
    /// `soon,fail=N`, `soon,fail=N%`, `now,fail=N`, `now,fail=N%`: start nothing more (soon), and stop what runs too
    /// (now), once N jobs, or N percent of all jobs of the batch, failed.
    pub rules: Vec<String>,
    /// Rules in percent wait until this many jobs have ended, so that a bad start is not taken for a trend.
    pub min_sample: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { rules: vec!["never".to_owned()], min_sample: 20 }
    }
}

impl Options {
    /// These rules, with the default sample.
    pub fn with_rules<'a>(rules: impl IntoIterator<Item = &'a Rule>) -> Self {
        Self { rules: rules.into_iter().map(ToString::to_string).collect(), ..Self::default() }
    }

    /// The same with another `min_sample`.
    #[must_use]
    pub fn min_sample(mut self, min_sample: u64) -> Self {
        self.min_sample = min_sample;
        self
    }

    /// Reads the rules, or finds everything that is wrong with them.
    pub(crate) fn parse(&self) -> Result<Vec<Rule>, Vec<Problem>> {
        let (mut rules, mut problems) = (Vec::new(), Vec::new());
        for (index, text) in self.rules.iter().enumerate() {
            let at = |message: String| Problem::new(["rules".to_owned(), index.to_string()], message);
            match text.parse::<Rule>() {
                Ok(rule) if rule.is_never() && self.rules.len() > 1 => {
                    problems.push(at("`never` stands alone: remove it, or the other rules".to_owned()));
                }
                Ok(rule) => rules.push(rule),
                Err(error) => problems.push(at(error.to_string()).at_offset(error.offset)),
            }
        }
        if problems.is_empty() { Ok(rules) } else { Err(problems) }
    }
}
