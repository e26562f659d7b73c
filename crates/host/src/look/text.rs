//! What `try` shows to people.

use std::fmt::Write;

use batchmill_core::{Job, format_duration};
use batchmill_flow::RunEnd;
use serde_json::Value;

use super::{
    End,
    step::{Change, Retry, Step, Visit},
};
use crate::summary::{clipped, quoted};

/// Characters of a value, and of a line of output.
const VALUE_SHOWN: usize = 500;
/// Lines of an output.
const LINES_SHOWN: usize = 20;

// Writing to a String cannot fail; `let _` below says so.

pub(super) fn begin(flow: &str, job: &Job) -> String {
    format!("{flow}: job {}\ninput {}\n", job.id, value(&Value::Object(job.input.clone())))
}

pub(super) fn step(step: &Step) -> String {
    let mut text = format!("\nSuperstep {} ({})\n", step.number, format_duration(step.took));
    step.visits.iter().for_each(|one| visit(&mut text, one));
    if !step.changes.is_empty() {
        text.push_str("  state\n");
    }
    step.changes.iter().for_each(|one| change(&mut text, one));
    text
}

pub(super) fn end(end: &End, steps: usize) -> String {
    let result = match &end.error {
        Some(error) => {
            let node = error.node.as_ref().map(|node| format!(" at `{node}`")).unwrap_or_default();
            format!("{}{node}: {} {}: {}", end.status, error.class, error.code, harmless(&error.message))
        }
        None if end.output.is_null() => end.status.to_owned(),
        None => format!("{}: {}", end.status, value(&end.output)),
    };
    let steps = if steps == 1 { "1 superstep".to_owned() } else { format!("{steps} supersteps") };
    format!("\n{result}\n{steps}, one attempt; nothing was recorded\n")
}

fn visit(text: &mut String, visit: &Visit) {
    let _ = writeln!(text, "  {}", visit.run.node);
    for (key, note) in &visit.run.notes {
        match note {
            Value::Array(argv) if key == "argv" => {
                let words = argv.iter().filter_map(Value::as_str).map(quoted);
                let _ = writeln!(text, "    $ {}", words.collect::<Vec<_>>().join(" "));
            }
            Value::String(output) => lines(text, key, output),
            other => {
                let _ = writeln!(text, "    {key}: {}", value(other));
            }
        }
    }
    let (error, handled) = match &visit.run.end {
        RunEnd::Updated(update) => {
            let _ = writeln!(text, "    update: {}", value(&Value::Object(update.clone())));
            return;
        }
        RunEnd::Handled(error) => (format!("{} {}: {}", error.class, error.code, error.message), true),
        RunEnd::Failed(error) => (format!("{} {}: {}", error.class, error.code, error.message), false),
    };
    let _ = writeln!(text, "    error: {}", harmless(&error));
    let _ = match &visit.retry {
        Some(Retry::Within(delay)) => {
            writeln!(text, "    a batch would try it again, within {}", format_duration(*delay))
        }
        Some(Retry::No(reason)) => writeln!(text, "    a batch would not try it again: {reason}"),
        None => Ok(()),
    };
    if handled {
        let _ = writeln!(text, "    the flow goes on by its `on_error`");
    }
}

fn change(text: &mut String, change: &Change) {
    let Change { key, from, to } = change;
    let _ = match (from, to) {
        (None, Some(to)) => writeln!(text, "    + {key}: {}", value(to)),
        (Some(from), Some(to)) => writeln!(text, "    ~ {key}: {} -> {}", value(from), value(to)),
        (Some(from), None) => writeln!(text, "    - {key}: {}", value(from)),
        (None, None) => Ok(()),
    };
}

/// What a process wrote: on one line where it is one.
fn lines(text: &mut String, key: &str, output: &str) {
    let mut lines = output.lines();
    let _ = match (lines.next(), lines.next()) {
        (None, _) => Ok(()),
        (Some(only), None) => writeln!(text, "    {key}: {}", clipped(&harmless(only), VALUE_SHOWN)),
        _ => writeln!(text, "    {key}:"),
    };
    let total = output.lines().count();
    if total > 1 {
        for line in output.lines().take(LINES_SHOWN) {
            let _ = writeln!(text, "      | {}", clipped(&harmless(line), VALUE_SHOWN));
        }
    }
    if total > LINES_SHOWN {
        let _ = writeln!(text, "      and {} more lines", total - LINES_SHOWN);
    }
}

fn value(value: &Value) -> String {
    clipped(&value.to_string(), VALUE_SHOWN)
}

/// Nothing that a terminal would obey.
fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { ' ' } else { c }).collect()
}
