//! The keys of a flow beside its nodes, and the values that nodes share with them.

use std::{num::NonZeroU32, time::Duration};

use batchmill_core::{BatchId, Options, Problem, nearest, parse_duration, parse_size};
use serde_json::Value;

use super::{Document, FlowProblem};
use crate::{
    expr::Filter,
    graph::{Channel, CheckpointMode, Reduce, StateGraph},
    yaml::{Located, LocatedValue},
};

/// The name of a flow that does not name itself: the file's, without folder and ending.
pub(super) fn name_of_file(file: &str) -> String {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    if BatchId::new(stem).is_ok() { stem.to_owned() } else { "flow".to_owned() }
}

pub(super) fn version(value: &Located) -> Result<(), String> {
    match value.value {
        LocatedValue::Int(1) => Ok(()),
        _ => Err("this build reads `version: 1` only".to_owned()),
    }
}

pub(super) fn name(value: &Located) -> Result<String, String> {
    let name = text(value)?;
    // Batches are named after their flow.
    BatchId::new(name.as_str()).map_err(|error| format!("not a name: {error}"))?;
    Ok(name)
}

pub(super) fn text(value: &Located) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| expected("text", value))
}

pub(super) fn schema(value: &Located) -> Result<Value, String> {
    value.as_map().map(|_| value.to_json()).ok_or_else(|| expected("a JSON Schema (a map)", value))
}

pub(super) fn checkpoint(value: &Located) -> Result<CheckpointMode, String> {
    choice(value, &CheckpointMode::ALL, CheckpointMode::as_str)
}

/// One of a few words.
fn choice<T: Copy>(value: &Located, all: &[T], word: impl Fn(T) -> &'static str) -> Result<T, String> {
    let words: Vec<&str> = all.iter().map(|one| word(*one)).collect();
    let Some(text) = value.as_str() else { return Err(expected(&words.join(" | "), value)) };
    all.iter().copied().find(|one| word(*one) == text).ok_or_else(|| {
        let near = nearest(text, words.iter().copied());
        let mend = near.map_or_else(|| words.join(" | "), |near| format!("did you mean `{near}`?"));
        format!("`{text}` is none of the choices: {mend}")
    })
}

/// A name, or a list of names.
pub(super) fn names(value: &Located) -> Result<Vec<String>, String> {
    let one = |value: &Located| value.as_str().map(str::to_owned);
    match &value.value {
        LocatedValue::Str(name) => Ok(vec![name.clone()]),
        LocatedValue::Seq(items) => {
            items.iter().map(one).collect::<Option<_>>().ok_or_else(|| "expected a list of names of nodes".to_owned())
        }
        _ => Err(expected("the name of a node or a list of names", value)),
    }
}

pub(super) fn max_steps(value: &Located) -> Result<u64, String> {
    whole(value).filter(|steps| *steps > 0).ok_or_else(|| expected("a whole number from 1", value))
}

/// A number of bytes, with or without a unit.
pub(super) fn size(value: &Located) -> Result<u64, String> {
    match (value.as_str(), whole(value)) {
        (Some(text), _) => parse_size(text).map_err(|error| error.to_string()),
        (None, Some(bytes)) => Ok(bytes),
        (None, None) => Err(expected("a size such as `16MiB`", value)),
    }
}

fn whole(value: &Located) -> Option<u64> {
    match value.value {
        LocatedValue::Int(number) => u64::try_from(number).ok(),
        LocatedValue::UInt(number) => Some(number),
        _ => None,
    }
}

/// A jq expression; mistakes go to their places inside the text.
pub(super) fn filter(
    document: &Document,
    path: &[&str],
    value: &Located,
    problems: &mut Vec<FlowProblem>,
) -> Option<Filter> {
    let Some(text) = value.as_str() else {
        problems.push(document.at(path, expected("a jq expression in quotes", value)));
        return None;
    };
    match Filter::compile(text) {
        Ok(filter) => Some(filter),
        Err(mistakes) => {
            problems.extend(mistakes.into_iter().map(|mistake| {
                let problem = Problem::new([] as [&str; 0], mistake.message).at_offset(mistake.offset);
                document.of_option(path, &problem)
            }));
            None
        }
    }
}

pub(super) fn state(
    document: &Document,
    value: &Located,
    graph: &mut StateGraph,
    problems: &mut Vec<FlowProblem>,
) -> Result<(), String> {
    let channels = value.as_map().ok_or_else(|| expected("a map of channels", value))?;
    for (name, settings) in channels {
        let Some(settings) = settings.as_map() else {
            let message = expected("a map such as `{reduce: add, default: 0}`", settings);
            problems.push(document.at(&["state", &name.name], message));
            continue;
        };
        let mut channel = Channel::default();
        for (key, value) in settings {
            let path = ["state", name.name.as_str(), key.name.as_str()];
            match key.name.as_str() {
                "reduce" => match choice(value, &Reduce::ALL, Reduce::as_str) {
                    Ok(reduce) => channel.reduce = reduce,
                    Err(why) => problems.push(document.at(&path, why)),
                },
                "default" => channel.default = Some(value.to_json()),
                _ => problems.push(document.unknown_key(&path, &["reduce", "default"])),
            }
        }
        graph.channels.push((name.name.clone(), channel));
    }
    Ok(())
}

pub(super) fn defaults(
    document: &Document,
    value: &Located,
    graph: &mut StateGraph,
    problems: &mut Vec<FlowProblem>,
) -> Result<(), String> {
    let settings = value.as_map().ok_or_else(|| expected("a map of defaults", value))?;
    for (key, value) in settings {
        let path = ["defaults", key.name.as_str()];
        let result = match key.name.as_str() {
            "timeout" => {
                timeout(value).map(|limit| limit.put(&mut graph.defaults.timeout, &mut graph.defaults.timeout_percent))
            }
            "retry" => retry(value).map(|settings| graph.defaults.retry = Some(settings)),
            _ => {
                problems.push(document.unknown_key(&path, &["timeout", "retry"]));
                Ok(())
            }
        };
        if let Err(why) = result {
            problems.push(document.at(&path, why));
        }
    }
    Ok(())
}

/// A time, or a percentage of the median.
pub(super) enum TimeLimit {
    Plain(Duration),
    OfMedian(NonZeroU32),
}

impl TimeLimit {
    /// Puts it where it belongs.
    pub(super) fn put(self, plain: &mut Option<Duration>, of_median: &mut Option<NonZeroU32>) {
        match self {
            Self::Plain(limit) => *plain = Some(limit),
            Self::OfMedian(percent) => *of_median = Some(percent),
        }
    }
}

/// The largest percentage.
const PERCENT_MAX: u32 = 100_000;

pub(super) fn timeout(value: &Located) -> Result<TimeLimit, String> {
    let text = value.as_str().ok_or_else(|| expected("a duration with a unit, such as `30s`", value))?;
    let Some(digits) = text.strip_suffix('%') else {
        return parse_duration(text).map(TimeLimit::Plain).map_err(|error| error.to_string());
    };
    let percent = digits.parse().ok().filter(|percent| (101..=PERCENT_MAX).contains(percent));
    let wrong = || format!("a percentage of the median must be from 101% to {PERCENT_MAX}%, found {text}");
    percent.and_then(NonZeroU32::new).map(TimeLimit::OfMedian).ok_or_else(wrong)
}

/// `retry: 3` is `{max_attempts: 3}`. The keys of the long form are those of the host's retry policy, which checks them.
pub(super) fn retry(value: &Located) -> Result<Options, String> {
    if let (Some(_), Value::Object(settings)) = (value.as_map(), value.to_json()) {
        return Ok(settings);
    }
    match whole(value) {
        Some(0) | None => Err(expected("a number of attempts from 1, the first one counted, or a map", value)),
        Some(attempts) => Ok(Options::from_iter([("max_attempts".to_owned(), attempts.into())])),
    }
}

pub(super) fn expected(what: &str, found: &Located) -> String {
    match &found.value {
        LocatedValue::Int(number) => format!("expected {what}, found {number}"),
        LocatedValue::UInt(number) => format!("expected {what}, found {number}"),
        LocatedValue::Float(number) => format!("expected {what}, found {number}"),
        _ => format!("expected {what}, found {}", found.what()),
    }
}
