//! Is it the same batch? What it was started from, held against what a resume is given.

use std::path::Path;

use batchmill_config::{HostConfig, Slot};
use batchmill_core::{FailureStrategy, RetryPolicy};
use batchmill_plugin::{Pluggable, Registry};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    exit::Exit,
    intake::{Comparison, Group},
    problems::Refusal,
    summary::clipped,
};

/// Differences that are told of one part; the rest is counted.
const TOLD: usize = 8;

/// Characters of a value.
const VALUE_SHOWN: usize = 60;

/// What makes a batch what it is, beside its jobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Guard {
    /// The flow as parsed, or the command of `each`.
    flow: Value,
    retry: Slot,
    failure: Slot,
}

impl Guard {
    pub(super) fn new(flow: Value, config: &HostConfig) -> Self {
        Self { flow, retry: config.retry.clone(), failure: config.failure.clone() }
    }

    /// One sentence each, with the node or key.
    pub(super) fn differences(&self, then: &Self, registry: &Registry) -> Vec<String> {
        let mut all = told(|found| walk("the flow", &then.flow, &self.flow, found));
        all.extend(told(|found| policy::<dyn RetryPolicy>("retry", &then.retry, &self.retry, registry, found)));
        all.extend(told(|found| {
            policy::<dyn FailureStrategy>("failure", &then.failure, &self.failure, registry, found);
        }));
        all
    }
}

/// The working directory is that of the first run.
pub(super) fn directory(then: &Path, now: &Path) -> Option<String> {
    let message = || format!("the working directory: was {}, is {}", then.display(), now.display());
    (then != now).then(message)
}

/// What became of the jobs of `source`, one sentence each.
pub(super) fn jobs(source: &str, comparison: &Comparison) -> Vec<String> {
    let Comparison { changed, gone, new, .. } = comparison;
    let line = |group: &Group, one: &str, many: &str| {
        let Group { jobs, named } = group;
        let rest = *jobs - named.len() as u64;
        let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        let what = if *jobs == 1 { format!("1 job {one}") } else { format!("{jobs} jobs {many}") };
        (*jobs > 0).then(|| format!("{source}: {what}: {}{rest}", named.join(", ")))
    };
    let appended = if comparison.is_appended() { " (--accept-appended lets them join)" } else { "" };
    let lines = [
        line(changed, "has other content", "have other content"),
        line(gone, "is gone", "are gone"),
        line(new, "is new", "are new").map(|line| line + appended),
    ];
    lines.into_iter().flatten().collect()
}

/// Why a batch does not go on.
pub(super) fn refusal(batch: &str, finished: bool, differences: Vec<String>) -> Refusal {
    let (headline, mend) = if finished {
        (
            format!(
                "the finished batch `{batch}` was made of other content, so its results do not answer this command"
            ),
            "choose another name for --batch",
        )
    } else {
        (
            format!("the unfinished batch `{batch}` was started from other content; nothing has run"),
            "--accept-changes goes on with what is there now, --fresh starts a new batch",
        )
    };
    let lines = std::iter::once(headline).chain(differences).chain(std::iter::once(mend.to_owned()));
    Refusal::of(Exit::BadData, lines)
}

fn told(find: impl FnOnce(&mut Vec<String>)) -> Vec<String> {
    let mut found = Vec::new();
    find(&mut found);
    let hidden = found.len().saturating_sub(TOLD);
    if hidden > 0 {
        found.truncate(TOLD);
        found.push(format!("and {hidden} more"));
    }
    found
}

/// Options that are not given have their defaults, so that it makes no difference to say one.
fn policy<P: ?Sized + Pluggable>(section: &str, then: &Slot, now: &Slot, registry: &Registry, found: &mut Vec<String>) {
    if then.kind != now.kind {
        found.push(format!("{section}.kind: was {}, is {}", then.kind, now.kind));
        return;
    }
    let schema = registry.get::<P>(&now.kind).map(|factory| factory.schema()).unwrap_or_default();
    let whole = |slot: &Slot| {
        let mut options = slot.options.clone();
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if let (false, Some(default)) = (options.contains_key(name), property.get("default")) {
                options.insert(name.clone(), default.clone());
            }
        }
        Value::Object(options)
    };
    walk(&format!("{section}.options"), &whole(then), &whole(now), found);
}

fn walk(place: &str, then: &Value, now: &Value, found: &mut Vec<String>) {
    match (then, now) {
        (Value::Object(then), Value::Object(now)) => objects(place, then, now, found),
        (Value::Array(then), Value::Array(now)) if then.len() == now.len() => {
            for (number, (then, now)) in then.iter().zip(now).enumerate() {
                walk(&below(place, &number.to_string()), then, now, found);
            }
        }
        _ if then == now => {}
        _ => found.push(format!("{place}: was {}, is {}", shown(then), shown(now))),
    }
}

fn objects(place: &str, then: &Map<String, Value>, now: &Map<String, Value>, found: &mut Vec<String>) {
    for (key, value) in then {
        match now.get(key) {
            Some(other) => walk(&below(place, key), value, other, found),
            None => found.push(format!("{} is gone", below(place, key))),
        }
    }
    let new = now.keys().filter(|key| !then.contains_key(*key));
    found.extend(new.map(|key| format!("{} is new", below(place, key))));
    // The order of nodes is the order of merging; that of other keys says nothing and is the same in both.
    let same_keys = then.len() == now.len() && then.keys().all(|key| now.contains_key(key));
    if place == NODES && same_keys && !then.keys().eq(now.keys()) {
        let order = |map: &Map<String, Value>| map.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        found.push(format!("{place}: their order was {}, is {}", order(then), order(now)));
    }
}

/// Where the order of keys says something.
const NODES: &str = "the flow: nodes";

/// `the flow: nodes.size.run`
fn below(place: &str, key: &str) -> String {
    let separator = if place == "the flow" { ": " } else { "." };
    format!("{place}{separator}{key}")
}

fn shown(value: &Value) -> String {
    clipped(&value.to_string(), VALUE_SHOWN)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog;

    fn guard(flow: Value, retry: Value, failure: Value) -> Guard {
        let slot = |kind: &str, options: Value| Slot {
            kind: kind.to_owned(),
            options: options.as_object().cloned().unwrap_or_default(),
        };
        Guard { flow, retry: slot("exponential", retry), failure: slot("halt", failure) }
    }

    fn differences(then: &Guard, now: &Guard) -> Vec<String> {
        now.differences(then, &catalog::registry())
    }

    #[test]
    fn what_differs_in_a_flow_is_named_by_its_node_and_key() {
        let then = json!({"name": "f", "nodes": {"a": {"run": ["x", "1"]}, "b": {"set": "{}"}}});
        let flow =
            |now: Value| differences(&guard(then.clone(), json!({}), json!({})), &guard(now, json!({}), json!({})));
        assert_eq!(flow(then.clone()), [""; 0]);
        let now = json!({"name": "f", "nodes": {"a": {"run": ["x", "2"], "timeout": "1s"}, "c": {"set": "{}"}}});
        assert_eq!(
            flow(now),
            [
                "the flow: nodes.a.run.1: was \"1\", is \"2\"",
                "the flow: nodes.a.timeout is new",
                "the flow: nodes.b is gone",
                "the flow: nodes.c is new",
            ]
        );
        let now = json!({"name": "f", "nodes": {"b": {"set": "{}"}, "a": {"run": ["x", "1"]}}});
        assert_eq!(flow(now), ["the flow: nodes: their order was a, b, is b, a"]);
    }

    #[test]
    fn a_default_that_is_said_makes_no_difference() {
        let plain = guard(json!({}), json!({}), json!({}));
        let said = guard(json!({}), json!({"max_attempts": 3}), json!({"rules": ["never"]}));
        assert_eq!(differences(&plain, &said), [""; 0]);
        let other = guard(json!({}), json!({"max_attempts": 5}), json!({"rules": ["soon,fail=3"]}));
        assert_eq!(
            differences(&plain, &other),
            ["retry.options.max_attempts: was 3, is 5", "failure.options.rules.0: was \"never\", is \"soon,fail=3\"",]
        );
    }

    #[test]
    fn many_differences_are_counted() {
        let many = |from: u32| Value::Object((from..from + 20).map(|n| (format!("k{n}"), json!(n))).collect());
        let told = differences(&guard(many(0), json!({}), json!({})), &guard(many(100), json!({}), json!({})));
        assert_eq!((told.len(), told[8].as_str()), (9, "and 32 more"));
    }
}
