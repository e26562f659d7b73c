//! `--dry-run`: the first jobs as they would begin. Nothing runs, nothing is opened, nothing is written.

use std::{fmt::Write, num::NonZeroU32};

use batchmill_core::{CancelSignal, Job, JobInfo, NodeError, Priority, StateData, Tenant};
use batchmill_executor::{JobSource, first_starts};
use batchmill_flow::{Execution, StepContext};
use serde_json::Value;

use super::{Start, assemble};
use crate::{
    exit::Exit,
    problems::Refusal,
    stdout,
    summary::{clipped, quoted},
};

/// How many jobs are shown.
const SHOWN: NonZeroU32 = NonZeroU32::new(3).expect("not zero");

/// Characters of a state.
const STATE_SHOWN: usize = 500;

/// Shows the first jobs in the order of the scheduler. What fails here would fail in the batch: that is the exit code.
pub(super) fn rehearse(start: &Start) -> Result<Exit, Refusal> {
    let config = &start.inputs.config;
    let scheduler = assemble::deciders(config, &start.inputs.registry)?.scheduler;
    let jobs = start.jobs.as_ref();
    let many =
        start.args.terms.limit.and_then(|limit| NonZeroU32::try_from(limit).ok()).map_or(SHOWN, |few| few.min(SHOWN));
    let first = first_starts(scheduler, jobs, many);
    let mut text = headline(start, first.len());
    let mut all_well = true;
    for index in first {
        let job = jobs.load(index).map_err(|error| Refusal::data(error.message))?;
        all_well &= show(start, &job, &mut text);
    }
    text.push_str("Nothing has run: this was a dry run.\n");
    let shown = stdout::print(&text);
    Ok(if all_well || shown != Exit::Success { shown } else { Exit::SomeFailed })
}

// Writing to a String cannot fail; `let _` below says so.

fn headline(start: &Start, shown: usize) -> String {
    let (flow, scheduler) = (start.inputs.flow.graph().name(), &start.inputs.config.scheduler.kind);
    let total = start.jobs.len();
    let jobs = if total == 1 { "job" } else { "jobs" };
    let trial = start.args.terms.limit.filter(|limit| limit.get() < total);
    let trial = trial.map(|limit| format!("a trial of {limit} of ")).unwrap_or_default();
    match shown {
        0 => format!("{flow}: {trial}{total} {jobs}\n"),
        1 => format!("{flow}: {trial}{total} {jobs}; the scheduler `{scheduler}` starts with this one:\n"),
        _ => format!("{flow}: {trial}{total} {jobs}; the scheduler `{scheduler}` starts with these {shown}:\n"),
    }
}

/// Shows a job; false if it cannot begin.
fn show(start: &Start, job: &Job, text: &mut String) -> bool {
    let _ = writeln!(text, "job {}{}", job.id, keys(job));
    let mut info = JobInfo::new(start.batch.clone(), job.id.clone());
    (info.tenant, info.priority) = (job.tenant.clone(), job.priority);
    info.key = job.key.as_deref().map(Into::into);
    let cancel = CancelSignal::new();
    let context = StepContext { job: &info, input: &job.input, cancel: &cancel };
    let execution = match Execution::start(start.inputs.flow.graph(), job.input.clone()) {
        Ok(execution) => execution,
        Err(error) => return refused(text, "input", &error),
    };
    let (mut all_well, mut rendered) = (true, false);
    for (node, preview) in execution.preview(&context) {
        match preview {
            Ok(preview) => rendered |= argv(text, node, &preview),
            Err(error) => all_well = refused(text, node, &error),
        }
    }
    if all_well && !rendered {
        let state = Value::Object(execution.into_state()).to_string();
        let _ = writeln!(text, "  state: {}", clipped(&state, STATE_SHOWN));
    }
    all_well
}

/// What is not as it is with most jobs.
fn keys(job: &Job) -> String {
    let mut keys = Vec::new();
    if job.priority != Priority::default() {
        keys.push(format!("priority {}", job.priority));
    }
    if job.tenant != Tenant::default() {
        keys.push(format!("tenant {}", job.tenant));
    }
    if keys.is_empty() { String::new() } else { format!(" ({})", keys.join(", ")) }
}

/// A command line that a shell would read back.
fn argv(text: &mut String, node: &str, preview: &StateData) -> bool {
    let Some(argv) = preview.get("argv").and_then(Value::as_array) else { return false };
    let words = argv.iter().filter_map(Value::as_str).map(quoted);
    let _ = writeln!(text, "  {node}: {}", words.collect::<Vec<_>>().join(" "));
    true
}

fn refused(text: &mut String, node: &str, error: &NodeError) -> bool {
    let _ = writeln!(text, "  {node}: would fail ({} {}): {}", error.class, error.code, error.message);
    false
}
