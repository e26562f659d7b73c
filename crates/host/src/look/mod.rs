//! One job, looked at node by node: `try`. Nothing is recorded.

mod step;
mod text;

use std::time::{Duration, Instant};

use batchmill_core::{
    BatchId, CancelReason, CancelSignal, Draw, ErrorClass, FailedAttempt, Job, JobError, JobId, JobInfo, NodeError,
    RetryDecision, nearest,
};
use batchmill_executor::JobSource;
use batchmill_flow::{CLEAN_END, Execution, StepContext, Stepped};
use serde_json::{Value, json};

use crate::{
    cli::Format,
    exit::Exit,
    inputs::Inputs,
    intake::JsonLines,
    problems::Refusal,
    signals::{Asked, Signals},
    stdout,
};

use self::step::{Retry, Step};

/// How the attempt ended.
struct End {
    exit: Exit,
    status: &'static str,
    output: Value,
    error: Option<JobError>,
}

/// Runs one attempt of the job `id` and shows every superstep as it ends.
pub(crate) async fn look(inputs: &Inputs, id: &str, format: Format, signals: &mut Signals) -> Result<Exit, Refusal> {
    let jobs = inputs.jobs.as_ref().expect("jobs were asked for, and were not refused");
    let index = find(jobs, id)?;
    let job = jobs.load(index).map_err(|error| Refusal::data(error.message))?;
    if format == Format::Table {
        stdout::print(&text::begin(inputs.flow.graph().name(), &job));
    }
    let mut steps = Vec::new();
    let end = run(inputs, &job, signals, |step| {
        match format {
            Format::Table => drop(stdout::print(&text::step(&step))),
            Format::Jsonl => drop(stdout::print(&format!("{}\n", step.to_json()))),
            Format::Json => {}
        }
        steps.push(step);
    });
    let end = end.await;
    let last = json!({"job_id": job.id.as_str(), "status": end.status, "supersteps": steps.len(), "output": end.output,
        "error": end.error});
    let shown = match format {
        Format::Table => stdout::print(&text::end(&end, steps.len())),
        Format::Jsonl => stdout::print(&format!("{last}\n")),
        Format::Json => {
            let mut whole = last;
            whole["supersteps"] = steps.iter().map(Step::to_json).collect();
            stdout::print(&stdout::pretty(&whole))
        }
    };
    Ok(if shown == Exit::Success { end.exit } else { shown })
}

/// The place of a job by its id.
fn find(jobs: &JsonLines, id: &str) -> Result<u64, Refusal> {
    let mut ids: Vec<JobId> = Vec::new();
    for index in 0..jobs.len() {
        let found = jobs.id(index).map_err(|error| Refusal::data(error.message))?;
        if found.as_str() == id {
            return Ok(index);
        }
        ids.push(found);
    }
    let names = || ids.iter().map(JobId::as_str);
    let mend = match nearest(id, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if ids.is_empty() => "there is no job at all".to_owned(),
        None => format!("the first ones are: {}", names().take(5).collect::<Vec<_>>().join(", ")),
    };
    Err(Refusal::data(format!("--job: there is no job `{id}`; {mend}")))
}

async fn run(inputs: &Inputs, job: &Job, signals: &mut Signals, mut show: impl FnMut(Step)) -> End {
    let graph = inputs.flow.graph();
    let batch = BatchId::new("try").expect("a valid id");
    let mut info = JobInfo::new(batch, job.id.clone());
    (info.tenant, info.priority) = (job.tenant.clone(), job.priority);
    info.key = job.key.as_deref().map(Into::into);
    let cancel = CancelSignal::new();
    let context = StepContext { job: &info, input: &job.input, cancel: &cancel };
    let limit = job.timeout.unwrap_or_else(|| inputs.config.executor.timeout.at_first());
    let mut watch = Watch { cancel: &cancel, due: Instant::now() + limit, interrupts: 0 };
    let mut execution = match Execution::start(graph, job.input.clone()) {
        Ok(execution) => execution.without_retries().traced(),
        Err(error) => return failed(error.into()),
    };
    loop {
        let (before, begun) = (execution.state().clone(), Instant::now());
        let stepped = watch.step(&mut execution, &context, signals).await;
        let runs = execution.take_trace();
        let retry = |error: &NodeError, retry: usize| decide(inputs, error, retry, begun.elapsed());
        if !runs.is_empty() {
            show(Step::new(runs, &before, execution.state(), begun.elapsed(), retry));
        }
        match stepped {
            Some(Stepped::Continue) if !cancel.is_cancelled() => {}
            Some(Stepped::Done) => {
                return match execution.into_output(&context) {
                    Ok(output) => End { exit: Exit::Success, status: "succeeded", output, error: None },
                    Err(error) => failed(error.into()),
                };
            }
            Some(Stepped::Failed(failure)) => {
                let node = failure.first.node.clone();
                let error = JobError::from(failure.first.error);
                return failed(node.map_or(error.clone(), |node| error.at_node(node)));
            }
            _ => return stopped(&cancel, limit),
        }
    }
}

fn failed(error: JobError) -> End {
    let status = if error.class == ErrorClass::Timeout { "timed_out" } else { "failed" };
    End { exit: Exit::SomeFailed, status, output: Value::Null, error: Some(error) }
}

fn stopped(cancel: &CancelSignal, limit: Duration) -> End {
    if cancel.reason() == Some(CancelReason::Timeout) {
        let limit = batchmill_core::format_duration(limit);
        let message = format!("the attempt did not end within its time limit of {limit}");
        return failed(JobError::new(ErrorClass::Timeout, "timeout", message));
    }
    End { exit: Exit::Interrupted, status: "interrupted", output: Value::Null, error: None }
}

/// What a batch would do next. A fatal error is nobody's to decide; `None` where the attempt was stopped, which says nothing
/// about the node.
fn decide(inputs: &Inputs, error: &NodeError, retry: usize, elapsed: Duration) -> Option<Retry> {
    match error.class {
        ErrorClass::Cancelled => return None,
        ErrorClass::Fatal => return Some(Retry::No("errors of class fatal are never retried".to_owned())),
        _ => {}
    }
    // The largest draw: with jitter, the longest wait.
    let draw = Draw::from_bits(u64::MAX);
    let asked = FailedAttempt::new(1, error.class, elapsed, error.retry_after, draw);
    let policy = inputs.retry.get(retry).unwrap_or(&inputs.retry[0]);
    Some(match policy.decide(&asked) {
        RetryDecision::After(delay) => Retry::Within(delay),
        RetryDecision::GiveUp(reason) => Retry::No(reason.into_owned()),
        _ => Retry::No("the retry policy says nothing that this program knows".to_owned()),
    })
}

/// Ends an attempt that takes too long or that a person has seen enough of.
struct Watch<'a> {
    cancel: &'a CancelSignal,
    due: Instant,
    interrupts: u32,
}

impl Watch<'_> {
    /// One superstep; `None` if it was told to end and did not.
    async fn step(
        &mut self,
        execution: &mut Execution<'_>,
        context: &StepContext<'_>,
        signals: &mut Signals,
    ) -> Option<Stepped> {
        let mut step = std::pin::pin!(execution.step(context));
        loop {
            tokio::select! {
                biased;
                stepped = &mut step => return Some(stepped),
                asked = signals.next() => if asked != Asked::Status {
                    self.interrupts += 1;
                    let reason = if self.interrupts > 1 { CancelReason::Kill } else { CancelReason::Stop };
                    self.cancel.cancel(reason);
                    self.due = Instant::now() + CLEAN_END;
                },
                () = tokio::time::sleep_until(self.due.into()) => {
                    if self.cancel.is_cancelled() {
                        return None;
                    }
                    self.cancel.cancel(CancelReason::Timeout);
                    self.due = Instant::now() + CLEAN_END;
                }
            }
        }
    }
}
