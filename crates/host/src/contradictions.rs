//! What of config, flow and command line is right by itself, and contradicts something else. Each is told with both of its keys,
//! at the place of one that somebody gave; what of config contradicts other config is told where that is loaded.

use std::time::Duration;

use batchmill_config::{ConfigProblem, HostConfig, MemoryLimit, Origins};
use batchmill_core::{Governor, about_size, format_duration};

use crate::{
    exit::Exit,
    inputs::Inputs,
    problems::{Finding, Refusal},
    run::assemble,
};

/// Everything that would be in vain: jobs that could never start, and waits that could never end.
pub(crate) fn check(inputs: &Inputs, deadline: Option<Duration>) -> Result<(), Refusal> {
    let found = [memory(inputs), reservation(inputs, deadline), queue_wait(inputs, deadline)];
    let problems: Vec<Finding> = found.iter().flatten().map(Finding::of_config).collect();
    if problems.is_empty() { Ok(()) } else { Err(Refusal { exit: Exit::BadConfig, problems }) }
}

/// A concurrency that the governor would never answer.
pub(crate) fn governor(config: &HostConfig, origins: &Origins, governor: &dyn Governor) -> Result<(), Refusal> {
    let (least, most) = governor.range().into_inner();
    let (first, kind) = (assemble::concurrency(config).get(), &config.governor.kind);
    let wrong = match first {
        first if first < least => format!("below the least that the governor `{kind}` answers, {least}"),
        first if first > most => format!("above the most that the governor `{kind}` answers, {most}"),
        _ => return Ok(()),
    };
    let message = format!(
        "`executor.concurrency` is {first} here, {wrong}: change one of the two, `executor.concurrency` or `governor.options`"
    );
    let problem = origins.contradiction(&["executor", "concurrency"], &["governor", "kind"], message);
    Err(Refusal { exit: Exit::BadConfig, problems: vec![Finding::of_config(&problem)] })
}

fn memory(inputs: &Inputs) -> Option<ConfigProblem> {
    let declared = inputs.flow.graph().requests().iter().map(|request| request.memory).max()?;
    let Some(MemoryLimit::Bytes(limit)) = inputs.config.executor.memory_limit else { return None };
    (declared > limit).then(|| {
        let (declared, limit) = (about_size(declared), about_size(limit));
        let message = format!(
            "{limit}, and `cost.memory` of the flow asks for up to {declared} at once: no such job could start"
        );
        inputs.origins.problem(&["executor", "memory_limit"], message)
    })
}

/// Its default says nothing: it is longer than many a batch, and nobody wrote it.
fn reservation(inputs: &Inputs, deadline: Option<Duration>) -> Option<ConfigProblem> {
    const KEY: [&str; 2] = ["resources", "reserve_after"];
    let patience: Duration = inputs.config.resources.reserve_after.into();
    let deadline = deadline.filter(|deadline| patience > *deadline)?;
    inputs.origins.given(&KEY)?;
    let (patience, deadline) = (format_duration(patience), format_duration(deadline));
    let message = format!("{patience} is above `--deadline`, {deadline}: nothing would ever be kept for a job");
    Some(inputs.origins.problem(&KEY, message))
}

/// A job that may wait longer than the batch may take waits in vain for its limit.
fn queue_wait(inputs: &Inputs, deadline: Option<Duration>) -> Option<ConfigProblem> {
    let (wait, deadline) = inputs.config.executor.queue_timeout.zip(deadline)?;
    (wait.get() >= deadline).then(|| {
        let message =
            format!("{wait} is not less than `--deadline`, {}: it would never act", format_duration(deadline));
        inputs.origins.problem(&["executor", "queue_timeout"], message)
    })
}
