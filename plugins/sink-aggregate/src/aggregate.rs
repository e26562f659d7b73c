//! One way to look at all results.

use std::collections::HashMap;

use batchmill_core::{JobResult, NodeError, Problem};
use batchmill_expr::{Filter, Vars};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{AggregateOptions, options::Reduce, statistic::Statistic, tally::Tally};

/// The longest key of a group, and the largest value of a reduction, in bytes.
const KEY_MAX: usize = 256;
const REDUCED_MAX: usize = 64 * 1024;

/// What is told where nothing is asked for.
const STATISTICS: [&str; 8] = ["count", "sum", "mean", "min", "max", "p50", "p90", "p99"];

/// An aggregate, compiled, and what it has come to.
#[derive(Debug, Clone)]
pub(crate) struct Aggregate {
    name: String,
    condition: Option<Filter>,
    group: Option<Filter>,
    groups_max: usize,
    value: Option<Filter>,
    statistics: Vec<Statistic>,
    reduce: Option<Reduction>,
    pub(crate) state: State,
}

#[derive(Debug, Clone)]
struct Reduction {
    initial: Value,
    update: Filter,
}

/// What has come of the results so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    #[serde(rename = "t")]
    total: Tally,
    #[serde(rename = "g", default, skip_serializing_if = "HashMap::is_empty")]
    groups: HashMap<String, Tally>,
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    other: Option<Tally>,
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    failed: Option<Failed>,
}

/// Results that an expression failed for. They are in no number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Failed {
    results: u64,
    first: String,
}

impl Aggregate {
    /// Compiles it, or tells everything that is wrong with it.
    pub(crate) fn compile(options: &AggregateOptions) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let AggregateOptions { name, condition, group, groups_max, value, statistics, reduce } = options;
        if name.is_empty() {
            problems.push(Problem::new(["name"], "must not be empty"));
        }
        if !(1..=100_000).contains(groups_max) {
            problems.push(Problem::new(["groups_max"], "must be from 1 to 100000"));
        }
        let mut filter = |text: &Option<String>, key: &str| {
            text.as_ref().and_then(|text| keep(compile(text, &[key], &[]), &mut problems))
        };
        let (condition, group, value_filter) =
            (filter(condition, "where"), filter(group, "group"), filter(value, "value"));
        let reduce = reduce.as_ref().and_then(|Reduce { initial, update }| {
            let update = keep(compile(update, &["reduce", "update"], &["$item"]), &mut problems)?;
            Some(Reduction { initial: initial.clone(), update })
        });
        let statistics = match (statistics, &options.reduce, value) {
            (Some(chosen), ..) => chosen.clone(),
            (None, Some(_), None) => vec!["count".to_owned()],
            _ => STATISTICS.map(str::to_owned).to_vec(),
        };
        let statistics = statistics.iter().enumerate().filter_map(|(place, text)| {
            let parsed = text.parse::<Statistic>();
            let wrong = |message: String| vec![Problem::new(["statistics", &place.to_string()], message)];
            keep(parsed.map_err(wrong), &mut problems)
        });
        let statistics = statistics.collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        let state = State::new(reduce.as_ref());
        let (name, groups_max) = (name.clone(), *groups_max);
        Ok(Self { name, condition, group, groups_max, value: value_filter, statistics, reduce, state })
    }

    /// Everything comes again.
    pub(crate) fn reset(&mut self) {
        self.state = State::new(self.reduce.as_ref());
    }

    /// Whether it looks at results as JSON.
    pub(crate) fn reads_records(&self) -> bool {
        self.condition.is_some() || self.group.is_some() || self.value.is_some() || self.reduce.is_some()
    }

    /// Takes a result; `record` is the same as JSON, or null if nobody reads it.
    pub(crate) fn take(&mut self, result: &JobResult, record: &Value) {
        if let Err(message) = self.try_take(result, record) {
            let first = || Failed { results: 0, first: format!("job {}: {message}", result.job_id) };
            self.state.failed.get_or_insert_with(first).results += 1;
        }
    }

    fn try_take(&mut self, result: &JobResult, record: &Value) -> Result<(), String> {
        let run = |filter: &Option<Filter>| {
            let found = filter.as_ref().map(|filter| filter.run_one_on(record, &Vars::none()));
            found.transpose().map_err(|error: NodeError| error.message.to_string())
        };
        let is_wanted = run(&self.condition)?.is_none_or(|found| found.is_some_and(|value| !is_false(&value)));
        if !is_wanted {
            return Ok(());
        }
        let key = run(&self.group)?.map(|key| key_of(key.unwrap_or_default())).transpose()?;
        let value = match run(&self.value)? {
            None => Some(result.duration.as_secs_f64()),
            Some(None | Some(Value::Null)) => None,
            Some(Some(value)) => {
                Some(value.as_f64().ok_or_else(|| format!("the value is no number: {}", brief(&value)))?)
            }
        };
        let (reduce, with_sketch) = (self.reduce.as_ref(), self.statistics.iter().any(Statistic::is_percentile));
        let (total, group) = self.state.of(key, self.groups_max, reduce);
        // All or nothing: a result that fails in one place is in no number.
        let reduced = |tally: &Tally| reduce.map(|reduction| reduction.update(&tally.reduced, record)).transpose();
        let (of_total, of_group) = (reduced(total)?, group.as_deref().map(reduced).transpose()?.flatten());
        for (tally, reduced) in [(Some(total), of_total), (group, of_group)] {
            let Some(tally) = tally else { continue };
            tally.results += 1;
            if let Some(value) = value {
                tally.values.add(value, with_sketch);
            }
            if let Some(reduced) = reduced {
                tally.reduced = reduced;
            }
        }
        Ok(())
    }

    /// For people and programs.
    pub(crate) fn json(&self) -> Value {
        let State { total, groups, other, failed } = &self.state;
        let tally = |tally: &Tally| tally.json(&self.statistics, self.reduce.is_some());
        let mut map = Map::new();
        map.insert("name".to_owned(), json!(self.name));
        map.insert("total".to_owned(), tally(total).into());
        if self.group.is_some() {
            let mut sorted: Vec<_> = groups.iter().filter(|(_, group)| group.results > 0).collect();
            sorted.sort_by(|(a_key, a), (b_key, b)| b.results.cmp(&a.results).then_with(|| a_key.cmp(b_key)));
            let group = |(key, group): (&String, &Tally)| {
                let mut map = Map::from_iter([("key".to_owned(), json!(key))]);
                map.extend(tally(group));
                Value::Object(map)
            };
            map.insert("groups".to_owned(), sorted.into_iter().map(group).collect());
            map.insert("other".to_owned(), other.as_ref().map_or(Value::Null, |other| tally(other).into()));
        }
        map.insert("failed".to_owned(), json!(failed));
        map.into()
    }
}

impl State {
    fn new(reduce: Option<&Reduction>) -> Self {
        Self { total: blank(reduce), groups: HashMap::new(), other: None, failed: None }
    }

    /// What is kept of all results, and of those of a group.
    fn of(
        &mut self,
        key: Option<String>,
        groups_max: usize,
        reduce: Option<&Reduction>,
    ) -> (&mut Tally, Option<&mut Tally>) {
        let Self { total, groups, other, .. } = self;
        let is_full = groups.len() >= groups_max;
        let group = key.map(|key| match key.len() > KEY_MAX || is_full && !groups.contains_key(&key) {
            true => other.get_or_insert_with(|| blank(reduce)),
            false => groups.entry(key).or_insert_with(|| blank(reduce)),
        });
        (total, group)
    }

    /// How much there is to write down.
    pub(crate) fn parts(&self) -> usize {
        [&self.total].into_iter().chain(self.groups.values()).chain(&self.other).map(Tally::parts).sum()
    }
}

impl Reduction {
    fn update(&self, before: &Value, record: &Value) -> Result<Value, String> {
        let vars = Vars::none().with_item(Some(record));
        let after = self.update.run_one_on(before, &vars).map_err(|error| error.message.to_string())?;
        let after = after.ok_or("the reduction yields nothing")?;
        match size(&after) {
            bytes if bytes > REDUCED_MAX => Err(format!("the reduction is larger than {} KiB", REDUCED_MAX / 1024)),
            _ => Ok(after),
        }
    }
}

fn blank(reduce: Option<&Reduction>) -> Tally {
    Tally::new(reduce.map_or(Value::Null, |reduction| reduction.initial.clone()))
}

fn keep<T>(found: Result<T, Vec<Problem>>, problems: &mut Vec<Problem>) -> Option<T> {
    found.map_err(|found| problems.extend(found)).ok()
}

/// Compiles `text`, which may read `.` and these variables.
fn compile(text: &str, at: &[&str], allowed: &[&str]) -> Result<Filter, Vec<Problem>> {
    let problem = |message| Problem::new(at.iter().copied(), message);
    let filter = Filter::compile(text).map_err(|errors| {
        errors.into_iter().map(|error| problem(error.message).at_offset(error.offset)).collect::<Vec<_>>()
    })?;
    let foreign = filter.variables().find(|name| !allowed.contains(name));
    match (foreign, allowed) {
        (None, _) => Ok(filter),
        (Some(name), []) => Err(vec![problem(format!("`{name}` has no value here; `.` is the result"))]),
        (Some(name), _) => {
            Err(vec![problem(format!("`{name}` has no value here; `.` is the value before, `$item` the result"))])
        }
    }
}

fn is_false(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false))
}

fn key_of(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Array(_) | Value::Object(_) => Err(format!("the group is no text and no number: {}", brief(&value))),
        other => Ok(other.to_string()),
    }
}

fn brief(value: &Value) -> String {
    let text = value.to_string();
    text.chars().take(80).collect()
}

/// About the bytes of it as JSON.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(|item| size(item) + 1).sum::<usize>() + 2,
        Value::Object(map) => map.iter().map(|(key, value)| key.len() + size(value) + 4).sum::<usize>() + 2,
        _ => 8,
    }
}
