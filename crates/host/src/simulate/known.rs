//! Lengths that are known of each job: from a batch that ran, or by an expression.

use std::{collections::HashMap, path::Path, time::Duration};

use batchmill_core::{Job, JobId, Position, parse_duration};
use batchmill_executor::JobSource;
use batchmill_flow::expr::{Filter, Vars};
use batchmill_simulate::Length;
use serde_json::{Value, json};

use super::Lengths;
use crate::{
    batches,
    exit::Exit,
    intake::JsonLines,
    problems::{Place, Problems, Refusal},
    refusal,
};

/// Results that are read at a time.
const PAGE: usize = 1000;

/// What `--durations` comes down to for these jobs.
pub(super) fn length(lengths: &Lengths, jobs: &JsonLines, flow: &str, state: &Path) -> Result<Length, Refusal> {
    Ok(match lengths {
        Lengths::Cost(length) => Length::PerCost(*length),
        Lengths::Fixed(length) => Length::Fixed(*length),
        Lengths::Uniform(from, upto) => Length::Uniform(*from, *upto),
        Lengths::Exponential(mean) => Length::Exponential(*mean),
        Lengths::LogNormal(median, sigma) => Length::LogNormal(*median, *sigma),
        Lengths::From(batch) => Length::Known(from_batch(batch, jobs, state)?),
        Lengths::Jq(expression) => Length::Known(by_expression(expression, jobs, flow)?),
    })
}

/// What each job took in a batch, of those that ended by their first attempt: of others the time of one attempt is not kept.
fn from_batch(batch: &str, jobs: &JsonLines, state: &Path) -> Result<Vec<Option<Duration>>, Refusal> {
    let found = batches::named(state, batch)?;
    let reader = found.reader()?;
    let mut took: HashMap<JobId, Duration> = HashMap::new();
    let mut after = Position::default();
    loop {
        let page = reader.results(after, PAGE).map_err(|error| refusal::of_store(&error))?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        let once = page.into_iter().filter(|(_, result)| result.attempts == 1 && result.started_at.is_some());
        took.extend(once.map(|(_, result)| (result.job_id, result.duration)));
    }
    if took.is_empty() {
        let message =
            format!("--durations from:{batch}: no job of batch {} has ended by its first attempt", found.id());
        return Err(Refusal::data(message));
    }
    let of = |index| jobs.id(index).map(|id| took.get(&id).copied());
    let lengths: Result<Vec<_>, _> = (0..jobs.len()).map(of).collect();
    let mut lengths = lengths.map_err(|error| Refusal::data(error.message))?;
    if lengths.iter().all(Option::is_none) {
        // Other jobs, of the same kind as those: each takes as long as one of them did.
        let mut all: Vec<Duration> = took.into_values().collect();
        all.sort_unstable();
        lengths.extend(all.into_iter().map(Some));
    }
    Ok(lengths)
}

/// What an expression says about each job.
fn by_expression(expression: &str, jobs: &JsonLines, flow: &str) -> Result<Vec<Option<Duration>>, Refusal> {
    let filter = Filter::compile(expression).map_err(|errors| {
        let problems = errors.iter().map(|error| format!("--durations jq: {error}"));
        Refusal::of(Exit::Usage, problems)
    })?;
    let (mut lengths, mut problems) = (Vec::new(), Problems::default());
    for index in 0..jobs.len() {
        let job = jobs.load(index).map_err(|error| Refusal::data(error.message))?;
        match seconds(&filter, &job, flow) {
            Ok(length) => lengths.push(Some(length)),
            Err(message) => {
                let place = Place { file: format!("--durations jq, job {}", job.id), line: None, column: None };
                problems.add(place, message);
            }
        }
    }
    let problems = problems.into_findings();
    if problems.is_empty() { Ok(lengths) } else { Err(Refusal { exit: Exit::BadData, problems }) }
}

fn seconds(filter: &Filter, job: &Job, flow: &str) -> Result<Duration, String> {
    let seen = json!({
        "id": job.id, "tenant": job.tenant, "priority": job.priority, "cost": job.cost, "flow": flow, "input": job.input,
    });
    let answer = filter.run_one_on(&seen, &Vars::none()).map_err(|error| error.message)?;
    match answer {
        Some(Value::Number(number)) => {
            let seconds = number.as_f64().unwrap_or(f64::NAN);
            let length = Duration::try_from_secs_f64(seconds);
            length.map_err(|_| format!("a length is a number of seconds, 0 or more, not {seconds}"))
        }
        Some(Value::String(text)) => parse_duration(&text).map_err(|error| error.to_string()),
        other => Err(format!("a length is a number of seconds or a duration, not {}", other.unwrap_or(Value::Null))),
    }
}
