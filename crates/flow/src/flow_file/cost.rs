//! What a node asks for: `cost: {cpu: 1, memory: 300MiB}`, or memory that grows when it was too little.

use super::{
    Document, FlowProblem,
    top::{expected, size},
};
use crate::{
    graph::{Cost, Memory},
    yaml::{Located, LocatedValue},
};

pub(super) fn cost(
    document: &Document,
    path: &[&str],
    value: &Located,
    problems: &mut Vec<FlowProblem>,
) -> Result<Cost, String> {
    let entries = value.as_map().ok_or_else(|| expected("a map such as `{cpu: 1, memory: 300MiB}`", value))?;
    let (mut cpu_milli, mut memory) = (0, Memory::default());
    for (key, value) in entries {
        let path = [path, &[key.name.as_str()]].concat();
        let read = match key.name.as_str() {
            "cpu" => cpu(value).map(|milli| cpu_milli = milli),
            "memory" if value.as_map().is_some() => {
                grown(document, &path, value, problems).map(|grown| memory = grown.unwrap_or_default())
            }
            "memory" => bytes(value).map(|bytes| memory = Memory::fixed(bytes)),
            _ => {
                problems.push(document.unknown_key(&path, &["cpu", "memory"]));
                Ok(())
            }
        };
        if let Err(why) = read {
            problems.push(document.at(&path, why));
        }
    }
    Ok(Cost::new(cpu_milli, memory))
}

/// `{start, multiply, max}`. `None` where a part of it is wrong, which is told.
fn grown(
    document: &Document,
    path: &[&str],
    value: &Located,
    problems: &mut Vec<FlowProblem>,
) -> Result<Option<Memory>, String> {
    let (mut start, mut multiply, mut max, mut wrong) = (None, 2.0, None, false);
    for (key, value) in value.as_map().unwrap_or_default() {
        let path = [path, &[key.name.as_str()]].concat();
        let read = match key.name.as_str() {
            "start" => bytes(value).map(|bytes| start = Some(bytes)),
            "max" => bytes(value).map(|bytes| max = Some(bytes)),
            "multiply" => factor(value).map(|factor| multiply = factor),
            _ => {
                problems.push(document.unknown_key(&path, &["start", "multiply", "max"]));
                wrong = true;
                Ok(())
            }
        };
        if let Err(why) = read {
            problems.push(document.at(&path, why));
            wrong = true;
        }
    }
    if wrong {
        return Ok(None);
    }
    match (start, max) {
        (Some(start), Some(max)) if max < start => Err(format!("`max` is below `start`: {max} and {start} bytes")),
        (Some(start), Some(max)) => Ok(Some(Memory::growing(start, multiply, max))),
        (None, _) => Err("lacks `start`, what the first attempt gets".to_owned()),
        (_, None) => Err("lacks `max`, which it never grows beyond".to_owned()),
    }
}

fn bytes(value: &Located) -> Result<u64, String> {
    size(value).and_then(|bytes| if bytes == 0 { Err("is more than 0".to_owned()) } else { Ok(bytes) })
}

/// A number of CPUs, to a thousandth.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and a million")]
fn cpu(value: &Located) -> Result<u32, String> {
    const CPUS_MAX: f64 = 100_000.0;
    let cpus = number(value).filter(|cpus| (0.001..=CPUS_MAX).contains(cpus));
    let cpus = cpus.ok_or_else(|| expected("a number of CPUs from 0.001, such as 0.5 or 2", value))?;
    Ok((cpus * 1000.0).round() as u32)
}

fn factor(value: &Located) -> Result<f64, String> {
    let factor = number(value).filter(|factor| (1.0..=100.0).contains(factor));
    factor.ok_or_else(|| expected("a number from 1 to 100", value))
}

fn number(value: &Located) -> Option<f64> {
    match value.value {
        LocatedValue::Int(number) => Some(number as f64),
        LocatedValue::UInt(number) => Some(number as f64),
        LocatedValue::Float(number) => Some(number),
        _ => None,
    }
}
