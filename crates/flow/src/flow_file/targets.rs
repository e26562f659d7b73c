//! Where a node leads: `next` and `on_error`.

use super::{
    Document, FlowProblem,
    top::{expected, filter, names},
};
use crate::{
    graph::{Arm, Condition, Next, OnError, Target},
    yaml::{Located, LocatedValue},
};

/// `NAME`, `END`, a list of names, or a list of arms.
pub(super) fn next(
    document: &Document,
    path: &[&str],
    value: &Located,
    problems: &mut Vec<FlowProblem>,
) -> Result<Next, String> {
    const SHAPE: &str = "the name of a node, END, a list of names, or a list of arms `{when: jq, to: NODE}`";
    match value.as_seq() {
        Some([]) => Err("leads nowhere: write END, or leave `next` out".to_owned()),
        Some(items) if items.iter().all(|item| item.as_map().is_some()) => {
            let arms = items.iter().enumerate().map(|(i, item)| {
                let place = i.to_string();
                arm(document, &[path, &[&place]].concat(), item, problems)
            });
            Ok(Next::Branch(arms.collect()))
        }
        _ => {
            let names = names(value).map_err(|_| match value.as_seq() {
                Some(_) => format!("expected {SHAPE}; names and arms do not mix"),
                None => expected(SHAPE, value),
            })?;
            Ok(Next::To(names.into_iter().map(Target::from).collect()))
        }
    }
}

fn arm(document: &Document, path: &[&str], value: &Located, problems: &mut Vec<FlowProblem>) -> Arm {
    let (mut when, mut to, mut wrong) = (None, None, false);
    for (key, value) in value.as_map().unwrap_or_default() {
        let path = [path, &[key.name.as_str()]].concat();
        match key.name.as_str() {
            "when" => {
                when = filter(document, &path, value, problems).map(Condition::Filter);
                wrong |= when.is_none();
            }
            "to" => match &value.value {
                LocatedValue::Str(name) => to = Some(Target::from(name.as_str())),
                _ => {
                    problems.push(document.at(&path, expected("the name of a node or END", value)));
                    wrong = true;
                }
            },
            _ => {
                problems.push(document.unknown_key(&path, &["when", "to"]));
                wrong = true;
            }
        }
    }
    if to.is_none() && !wrong {
        problems.push(document.at(path, "an arm says where it leads: `to` is missing"));
        wrong = true;
    }
    // An arm whose condition is wrong must not pass for one without a condition; where it leads is still checked.
    let never = || Condition::from(|_: &batchmill_core::StateData| false);
    let when = if wrong { Some(when.unwrap_or_else(never)) } else { when };
    Arm { when, to: to.unwrap_or(Target::End) }
}

pub(super) fn on_error(value: &Located) -> Result<OnError, String> {
    const SHAPE: &str = "fail | continue | {goto: NODE}";
    match &value.value {
        LocatedValue::Str(word) if word == "fail" => Ok(OnError::Fail),
        LocatedValue::Str(word) if word == "continue" => Ok(OnError::Continue),
        LocatedValue::Str(word) => Err(format!("`{word}` is none of: {SHAPE}")),
        LocatedValue::Map(entries) => match &entries[..] {
            [(key, target)] if key.name == "goto" => match target.as_str() {
                Some(name) => Ok(OnError::Goto(name.into())),
                None => Err(expected("the name of a node after `goto`", target)),
            },
            _ => Err(format!("expected {SHAPE}")),
        },
        _ => Err(expected(SHAPE, value)),
    }
}
