//! `[[limits]]`: what may start at once, or in a time, of the jobs with one key.

use std::{collections::HashMap, num::NonZeroU32};

use batchmill_core::{ErrorClass, Options, Problem, Rate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Timeout, layer::Layer, request::Expressions};

/// The section that is a list of these.
pub(crate) const SECTION: &str = "limits";

/// A limit on the jobs with one key: several limits may apply to a job, and all of them must let it start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limit {
    /// What it is called in `explain`, `status` and `limits set`; made of the key unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The key of a job: jq over {id, tenant, priority, flow, input}, evaluated once when the job is accepted. A text, a
    /// number or a boolean; null means that the limit does not apply to the job. Without it all jobs have one key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How many attempts of jobs with one key run at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<NonZeroU32>,
    /// How many of them start in a time, such as "60/m": a token bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub rate: Option<Rate>,
    /// How many may start at once after a pause in which none did: what the bucket holds. 1 unless given, or, with `units`,
    /// the number of the rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<NonZeroU32>,
    /// What a start takes of the rate: jq as for `key`, a whole number from 0 to `burst`; 1 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units: Option<String>,
    /// Stops the jobs of a key whose attempts fail one after the other, and tries again after a while.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
    /// Whether the wait that a failed attempt was asked for (`Retry-After`) is one of all jobs with its key; true with a
    /// `rate` unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pauses: Option<bool>,
}

/// When the jobs of a key are stopped because their attempts fail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Breaker {
    /// So many failures in a row open it.
    pub failures: NonZeroU32,
    /// How long it is open.
    #[serde(default = "cooldown")]
    pub cooldown: Timeout,
    /// How many attempts are tried then; all must succeed for it to close.
    #[serde(default = "probes")]
    pub probes: NonZeroU32,
    /// The error classes that count.
    #[serde(default = "on")]
    #[schemars(with = "Vec<String>")]
    pub on: Vec<ErrorClass>,
}

const fn cooldown() -> Timeout {
    Timeout::THIRTY_SECONDS
}

const fn probes() -> NonZeroU32 {
    NonZeroU32::MIN
}

/// What may be the fault of what a job talks to. An error that is permanent is the job's own.
fn on() -> Vec<ErrorClass> {
    use ErrorClass::{Crash, Recoverable, Resource, Timeout, Transient};
    vec![Transient, Recoverable, Timeout, Resource, Crash]
}

impl Limit {
    /// What the bucket of its rate holds.
    pub fn bucket(&self) -> NonZeroU32 {
        let of_units = || self.rate.filter(|_| self.units.is_some()).map(Rate::count);
        self.burst.or_else(of_units).unwrap_or(NonZeroU32::MIN)
    }

    /// Its name: given, or made of its key.
    pub fn name(&self, place: usize) -> String {
        name(self.name.as_deref(), self.key.as_deref(), place)
    }
}

/// `.tenant` makes `tenant`, `.input.host` makes `input.host`, no key makes `all`, and what is no plain path a number from 1.
fn name(given: Option<&str>, key: Option<&str>, place: usize) -> String {
    let path = |key: &str| {
        let path = key.trim().strip_prefix('.')?;
        is_name(path).then(|| path.to_owned())
    };
    match (given, key) {
        (Some(name), _) => name.to_owned(),
        (None, None) => "all".to_owned(),
        (None, Some(key)) => path(key).unwrap_or_else(|| format!("limit-{}", place + 1)),
    }
}

fn is_name(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    text.len() <= 100 && text.split('.').all(part)
}

/// Everything that types can not say, each with the number of the layer: a list is replaced as a whole, so each layer's is
/// complete in itself.
pub(crate) fn problems(layers: &[Layer], expressions: Expressions) -> Vec<(usize, Problem)> {
    let mut found = Vec::new();
    for (number, layer) in layers.iter().enumerate() {
        let Some(Value::Array(items)) = layer.values.get(SECTION) else { continue };
        let mut names: HashMap<String, usize> = HashMap::new();
        for (place, item) in items.iter().enumerate() {
            let Value::Object(limit) = item else { continue };
            let mut problems = of_one(limit, expressions);
            problems.extend(of_name(limit, place, &mut names));
            found.extend(problems.into_iter().map(|p| (number, p.below(place.to_string()).below(SECTION))));
        }
    }
    found
}

fn of_one(limit: &Options, expressions: Expressions) -> Vec<Problem> {
    let mut problems = Vec::new();
    let has = |key: &str| limit.contains_key(key);
    if !["concurrency", "rate", "breaker"].into_iter().any(has) {
        problems.push(Problem::new([""; 0], "a limit needs at least one of `concurrency`, `rate` and `breaker`"));
    }
    for key in ["burst", "units"] {
        if has(key) && !has("rate") {
            problems.push(Problem::new([key], format!("`{key}` says something about a `rate`, and there is none")));
        }
    }
    if let Some(Value::Object(breaker)) = limit.get("breaker") {
        if !breaker.contains_key("failures") {
            let message = "`breaker` needs `failures`: how many in a row open it";
            problems.push(Problem::new(["breaker"], message));
        }
        if breaker.get("on").and_then(Value::as_array).is_some_and(Vec::is_empty) {
            problems.push(Problem::new(["breaker", "on"], "with no class in `on` the `breaker` never opens"));
        }
    }
    for (key, check) in [("key", expressions.limit_key), ("units", expressions.units)] {
        if let Some(text) = limit.get(key).and_then(Value::as_str) {
            problems.extend(check(text).into_iter().map(|message| Problem::new([key], message)));
        }
    }
    problems
}

fn of_name(limit: &Options, place: usize, names: &mut HashMap<String, usize>) -> Option<Problem> {
    let text = |key: &str| limit.get(key).and_then(Value::as_str);
    let (given, key) = (text("name"), text("key"));
    if let Some(given) = given.filter(|given| !is_name(given)) {
        let message = format!("`{given}` is no name: letters, digits, `-`, `_`, and dots between them, at most 100");
        return Some(Problem::new(["name"], message));
    }
    let name = name(given, key, place);
    let Some(first) = names.get(&name) else {
        names.insert(name, place);
        return None;
    };
    Some(match given {
        Some(_) => Problem::new(["name"], format!("`{name}` is the name of {SECTION}.{first} too")),
        None => Problem::new([""; 0], format!("is called `{name}` as {SECTION}.{first} is; give one of them a `name`")),
    })
}
