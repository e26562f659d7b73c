//! What config makes of each job: its share of the host, and its key under every limit.
//!
//! The expressions are jq over `{id, tenant, priority, flow, input}`, compiled once, metered, and evaluated once a job: when
//! it is accepted, and again when another host takes its batch over, because limits may have changed by then.

use std::{
    collections::HashMap,
    fmt::{self, Display},
};

use batchmill_config::{Expressions, HostConfig, Limit};
use batchmill_core::{
    JobId, JobKeys, Key, LimitId, LimitKey, LimitKeys, NodeError, Priority, SharePath, StateData, Tenant,
};
use batchmill_flow::expr::{Filter, Vars};
use serde_json::{Map, Value, json};

use super::json;

/// What the expressions of config make of jobs.
#[derive(Debug)]
pub(crate) struct Keys {
    share: Option<Filter>,
    limits: Vec<LimitRule>,
    flow: String,
    /// Whether none of them looks at more than what jobs have in common.
    is_by_class: bool,
}

/// One limit that looks at jobs.
#[derive(Debug)]
struct LimitRule {
    id: LimitId,
    name: String,
    key: Option<Filter>,
    units: Option<Filter>,
    burst: u32,
}

/// What expressions see of a job.
pub(super) struct Seen<'a> {
    pub(super) id: JobId,
    pub(super) tenant: &'a Tenant,
    pub(super) priority: Priority,
}

/// What is made of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Made {
    share: Option<SharePath>,
    limits: LimitKeys,
}

/// What is made of every job of a source: what many have in common is kept once.
#[derive(Debug, Default)]
pub(super) struct MadeOfAll {
    rows: Vec<u32>,
    made: Vec<Made>,
    places: HashMap<Made, u32>,
}

/// How config is asked about its expressions.
pub(crate) fn expressions() -> Expressions {
    Expressions {
        limit_key: |text| mistakes(text, |output| key_of(&output).map(drop)),
        units: |text| mistakes(text, |_| Ok(())),
        share_key: |text| mistakes(text, |output| share_of(&output).map(drop)),
    }
}

/// Everything that is wrong with an expression, as far as it can be told without a job: what it makes of one that says
/// nothing may be wrong for want of an input, but never a list or an object.
fn mistakes(text: &str, take: fn(Value) -> Result<(), String>) -> Vec<String> {
    let filter = match Filter::compile(text) {
        Ok(filter) => filter,
        Err(errors) => return errors.iter().map(ToString::to_string).collect(),
    };
    let sample = json!({"id": "1", "tenant": Tenant::DEFAULT, "priority": 0, "flow": "flow", "input": {}});
    match filter.run_one_on(&sample, &Vars::none()) {
        Ok(Some(output @ (Value::Object(_) | Value::Array(_)))) => take(output).err().into_iter().collect(),
        _ => Vec::new(),
    }
}

impl Keys {
    /// What `config` wants to know of jobs of the flow of this name; `None` if nothing.
    ///
    /// # Panics
    /// If an expression does not compile: config was checked.
    pub(crate) fn of(config: &HostConfig, flow: &str) -> Option<Self> {
        let share = config.scheduler.share_key.as_deref().map(compiled);
        let rule = |(place, limit): (usize, &Limit)| {
            if limit.key.is_none() && limit.units.is_none() {
                return None;
            }
            let id = LimitId(u16::try_from(place).expect("config has fewer limits"));
            let (key, units) = (limit.key.as_deref().map(compiled), limit.units.as_deref().map(compiled));
            Some(LimitRule { id, name: limit.name(place), key, units, burst: limit.bucket().get() })
        };
        let limits: Vec<LimitRule> = config.limits.iter().enumerate().filter_map(rule).collect();
        if share.is_none() && limits.is_empty() {
            return None;
        }
        let mut all = share.iter().chain(limits.iter().flat_map(|rule| rule.key.iter().chain(&rule.units)));
        let is_by_class = all.all(|filter| filter.reads_only(&["tenant", "priority", "flow"]));
        Some(Self { share, limits, flow: flow.to_owned(), is_by_class })
    }

    /// Whether jobs of one tenant and priority are all alike.
    pub(super) fn is_by_class(&self) -> bool {
        self.is_by_class
    }

    /// What is made of a job, or everything that is wrong. The input is as it was afterwards.
    pub(super) fn make(&self, seen: &Seen<'_>, input: &mut StateData) -> Result<Made, Vec<String>> {
        let mut job = Map::with_capacity(5);
        job.insert("id".to_owned(), seen.id.as_str().into());
        job.insert("tenant".to_owned(), seen.tenant.as_str().into());
        job.insert("priority".to_owned(), seen.priority.0.into());
        job.insert("flow".to_owned(), self.flow.as_str().into());
        job.insert("input".to_owned(), Value::Object(std::mem::take(input)));
        let job = Value::Object(job);
        let made = self.make_of(&job);
        if let Value::Object(mut job) = job
            && let Some(Value::Object(whole)) = job.remove("input")
        {
            *input = whole;
        }
        made
    }

    fn make_of(&self, job: &Value) -> Result<Made, Vec<String>> {
        let (mut mistakes, mut limits) = (Vec::new(), Vec::with_capacity(self.limits.len()));
        let share = match &self.share {
            Some(filter) => output(filter, job).and_then(|path| share_of(&path)).unwrap_or_else(|why| {
                mistakes.push(format!("scheduler.share_key: {why}"));
                None
            }),
            None => None,
        };
        for rule in &self.limits {
            match rule.of(job) {
                Ok(key) => limits.extend(key),
                Err((what, why)) => mistakes.push(format!("{what} of the limit `{}`: {why}", rule.name)),
            }
        }
        if mistakes.is_empty() { Ok(Made { share, limits: limits.into_iter().collect() }) } else { Err(mistakes) }
    }
}

fn compiled(text: &str) -> Filter {
    Filter::compile(text).unwrap_or_else(|errors| panic!("config was checked, and now: {errors:?}"))
}

impl LimitRule {
    /// `None` where the limit does not apply; an error names the expression.
    fn of(&self, job: &Value) -> Result<Option<LimitKey>, (&'static str, String)> {
        let key = match &self.key {
            None => None,
            Some(filter) => {
                match output(filter, job).and_then(|value| key_of(&value)).map_err(|why| ("the key", why))? {
                    None => return Ok(None),
                    key => key,
                }
            }
        };
        let units = match &self.units {
            None => 1,
            Some(filter) => {
                output(filter, job).and_then(|value| units_of(&value, self.burst)).map_err(|why| ("the units", why))?
            }
        };
        Ok(Some(LimitKey { limit: self.id, key, units }))
    }
}

fn output(filter: &Filter, job: &Value) -> Result<Value, String> {
    match filter.run_one_on(job, &Vars::none()) {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(format!("`{}` yields nothing; null says that it does not apply", filter.text())),
        Err(NodeError { message, .. }) => Err(message),
    }
}

fn key_of(value: &Value) -> Result<Option<Key>, String> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        other => {
            let found = json::describe(other);
            return Err(format!("must be text, a number or a boolean, or null where it does not apply, found {found}"));
        }
    };
    Key::new(&text).map(Some).map_err(|error| said(&error))
}

fn share_of(value: &Value) -> Result<Option<SharePath>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => SharePath::new(text).map(Some).map_err(|error| said(&error)),
        Value::Number(_) => SharePath::new(&value.to_string()).map(Some).map_err(|error| said(&error)),
        other => {
            let found = json::describe(other);
            Err(format!("must be a path such as \"org/team/user\", or null for the tenant, found {found}"))
        }
    }
}

/// The rules of keys are those of ids.
fn said(error: &dyn Display) -> String {
    error.to_string().replace("an id ", "it ")
}

fn units_of(value: &Value, burst: u32) -> Result<u32, String> {
    let whole = value.as_u64().or_else(|| {
        let float =
            value.as_f64().filter(|float| float.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(float))?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, and within the bounds")]
        Some(float as u64)
    });
    match whole.map(u32::try_from) {
        Some(Ok(units)) if units <= burst => Ok(units),
        Some(_) => Err(format!("{value} is more than `burst` ({burst}), so the job could never start")),
        None => Err(format!("must be a whole number from 0 to {burst}, found {value}")),
    }
}

impl MadeOfAll {
    fn push(&mut self, made: Made) {
        let place = match self.places.get(&made) {
            Some(place) => *place,
            None => {
                let place = u32::try_from(self.made.len()).expect("there are fewer than 2^32 jobs");
                self.made.push(made.clone());
                self.places.insert(made, place);
                place
            }
        };
        self.rows.push(place);
    }

    /// Nothing more comes.
    pub(super) fn finish(mut self) -> Self {
        self.places = HashMap::new();
        self.rows.shrink_to_fit();
        self
    }

    /// These jobs are none any more.
    pub(super) fn leave_out(&mut self, rows: &[u32]) {
        let mut place = 0;
        self.rows.retain(|_| {
            place += 1;
            rows.binary_search(&(place - 1)).is_err()
        });
    }

    /// The place of what was made of a job: the same for all of which the same was made.
    pub(super) fn place(&self, row: u32) -> Option<u32> {
        self.rows.get(row as usize).copied()
    }

    /// Adds what was made of a job to its keys.
    pub(super) fn put_into(&self, row: u32, keys: &mut JobKeys) {
        if let Some(place) = self.place(row) {
            let Made { share, limits } = &self.made[place as usize];
            (keys.share, keys.limits) = (share.clone(), limits.clone());
        }
    }
}

impl Extend<Made> for MadeOfAll {
    /// What was made of the next jobs.
    fn extend<I: IntoIterator<Item = Made>>(&mut self, made: I) {
        made.into_iter().for_each(|made| self.push(made));
    }
}

impl fmt::Debug for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Keys {
        let config: HostConfig = toml::from_str(text).unwrap();
        Keys::of(&config, "inspect").unwrap()
    }

    fn made(keys: &Keys, input: &Value) -> Result<(Option<String>, Vec<String>), Vec<String>> {
        let seen = Seen { id: JobId::from(7), tenant: &Tenant::new("acme").unwrap(), priority: Priority(3) };
        let mut data = input.as_object().unwrap().clone();
        let made = keys.make(&seen, &mut data);
        assert_eq!(Value::from(data), *input, "the input is as it was");
        let show = |key: &LimitKey| {
            let text = key.key.as_ref().map_or("-", Key::as_str);
            format!("{} {text} {}", key.limit.0, key.units)
        };
        made.map(|made| (made.share.map(|share| share.to_string()), made.limits.iter().map(show).collect()))
    }

    #[test]
    fn expressions_see_the_job_and_its_flow() {
        let keys = keys(
            "scheduler = {kind = \"fifo\", share_key = '.tenant + \"/\" + .input.user'}\n\
             limits = [{concurrency = 1}, {key = '\"\\(.flow)-\\(.id)\"', concurrency = 1}, {key = '.priority', rate = \"9/s\", \
             units = '.input.n'}, {key = '.input.host', concurrency = 2}, {rate = \"9/s\", units = '.priority'}]",
        );
        let all = made(&keys, &json!({"user": "eva", "n": 2.0, "host": true})).unwrap();
        let limits = ["1 inspect-7 1", "2 3 2", "3 true 1", "4 - 3"].map(str::to_owned);
        assert_eq!(all, (Some("acme/eva".to_owned()), limits.to_vec()));
        let without = made(&keys, &json!({"user": "eva", "n": 0})).unwrap();
        assert_eq!(without.1, ["1 inspect-7 1", "2 3 0", "4 - 3"], "null: it does not apply");
        assert!(!keys.is_by_class());
    }

    #[test]
    fn what_is_no_key_is_told_with_the_limit_all_at_once() {
        let keys = keys(
            "scheduler = {kind = \"fifo\", share_key = '.input.s'}\n\
             limits = [{key = '.input.k', concurrency = 1}, {name = 'n', key = 'empty', concurrency = 1}, {key = \
             '.input.x.y.z', concurrency = 1}, {rate = \"9/s\", units = '.input.u'}]",
        );
        let wrong = made(&keys, &json!({"s": "a//b", "k": {"a": 1}, "x": 3, "u": 10})).unwrap_err();
        assert_eq!(
            wrong,
            [
                "scheduler.share_key: a path of shares has no empty part, as `a//b` has",
                "the key of the limit `input.k`: must be text, a number or a boolean, or null where it does not apply, found \
                 an object",
                "the key of the limit `n`: `empty` yields nothing; null says that it does not apply",
                "the key of the limit `input.x.y.z`: cannot index 3 with \"y\" (in `.input.x.y.z`)",
                "the units of the limit `all`: 10 is more than `burst` (9), so the job could never start",
            ]
        );
        let wrong = made(&keys, &json!({"s": [], "k": "", "x": null, "u": 1.5})).unwrap_err();
        assert_eq!(
            wrong[0],
            "scheduler.share_key: must be a path such as \"org/team/user\", or null for the tenant, found a list"
        );
        assert_eq!(wrong[1], "the key of the limit `input.k`: it must not be empty");
        assert_eq!(wrong[3], "the units of the limit `all`: must be a whole number from 0 to 9, found 1.5");
    }

    #[test]
    fn an_expression_that_can_only_yield_an_object_is_told_before_any_job_is_read() {
        let Expressions { limit_key, share_key, .. } = expressions();
        for text in [".input", "{a: .tenant}", ".", "[.tenant]"] {
            assert!(limit_key(text)[0].starts_with("must be text"), "{text}: {:?}", limit_key(text));
            assert!(share_key(text)[0].starts_with("must be a path"), "{text}");
        }
        for text in [".tenant", ".input.host", ".input.a.b", "null", ".input.n + 1"] {
            assert_eq!(limit_key(text), [""; 0], "{text}");
        }
        assert_eq!(limit_key(".input ||").len(), 1);
    }

    #[test]
    fn keys_of_tenant_and_priority_are_by_class() {
        assert!(keys("limits = [{key = '.tenant', concurrency = 1}]").is_by_class());
        assert!(!keys("limits = [{key = '.id', concurrency = 1}]").is_by_class());
    }
}
