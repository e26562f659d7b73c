//! The settings of `halt`.

use batchmill_core::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rule::{AnyRule, Error, Rule, RuleSpec, forestalled};

/// When a batch stops or pauses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Options {
    /// Tried in this order after each job's end; the first that is reached stops or pauses the batch. `never`, or a line
    /// such as `soon,fail=10%` or `pause,fail_rate=20%,window=100,classes=timeout+transient`, or the same as a table.
    #[schemars(with = "Vec<AnyRule>")]
    pub rules: Vec<RuleSpec>,
    /// Percentages of failures, and of ended jobs, wait until this many jobs have ended, so that a bad start is not taken
    /// for a trend. For rules that do not say it themselves.
    pub min_sample: u64,
}

impl Default for Options {
    fn default() -> Self {
        let never: Rule = "never".parse().expect("it is a rule");
        Self { rules: vec![RuleSpec::from(&never)], min_sample: 20 }
    }
}

impl Options {
    /// These rules, with the default sample.
    pub fn with_rules<'a>(rules: impl IntoIterator<Item = &'a Rule>) -> Self {
        Self { rules: rules.into_iter().map(RuleSpec::from).collect(), ..Self::default() }
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
        for (index, spec) in self.rules.iter().enumerate() {
            match spec.parse() {
                Ok(rule) => rules.push((index, rule)),
                Err(error) => problems.extend(located(index, error)),
            }
        }
        for (nth, (index, _)) in rules.iter().enumerate() {
            problems.extend(self.among_others(&rules, nth).map(|message| Problem::new(place(*index), message)));
        }
        if problems.is_empty() { Ok(rules.into_iter().map(|(_, rule)| rule).collect()) } else { Err(problems) }
    }

    /// What is wrong with a rule that is right by itself.
    fn among_others(&self, rules: &[(usize, Rule)], nth: usize) -> Option<String> {
        let Some(condition) = rules[nth].1.condition() else {
            return (self.rules.len() > 1).then(|| "`never` stands alone: remove it, or the other rules".to_owned());
        };
        let twin = rules[..nth].iter().find(|(_, other)| other.condition() == Some(condition));
        if let Some((first, _)) = twin {
            return Some(format!("says the same as rules.{first}: remove one of them"));
        }
        let sample = condition.min_sample(self.min_sample);
        if let Some(window) = condition.window.filter(|window| *window < sample) {
            return Some(format!(
                "a window of {window} ends never holds the sample of {sample} that `min_sample` asks of percentages: give the \
                 rule a `min_sample` of its own, at most {window}"
            ));
        }
        let (index, stop) = forestalled(rules, nth, self.min_sample)?;
        Some(format!("never acts: by then `{stop}`, rules.{index}, has stopped the batch; remove one of them"))
    }
}

fn place(index: usize) -> [String; 2] {
    ["rules".to_owned(), index.to_string()]
}

fn located(index: usize, error: Error) -> impl Iterator<Item = Problem> {
    error.faults.into_iter().map(move |fault| {
        let path = place(index).into_iter().chain(fault.place.path);
        let problem = Problem::new(path, fault.message);
        match fault.place.offset {
            Some(offset) => problem.at_offset(offset),
            None => problem,
        }
    })
}
