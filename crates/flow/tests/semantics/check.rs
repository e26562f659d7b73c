//! Runs flows and writes down what happened.

use std::sync::Arc;

use batchmill_core::{BatchId, CancelSignal, GivenUp, JobError, JobId, JobInfo, StateData, ThreadId};
use batchmill_flow::{
    AttemptEnd, AttemptRequest, Execution, ExecutionEngine, FlowFile, FlowProblem, MemoryCheckpointer, RunEnd,
    StepContext, Stepped,
};
use serde_json::Value;

use crate::kinds::{Log, catalog};

pub(crate) fn object(value: Value) -> StateData {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

pub(crate) fn job() -> JobInfo {
    JobInfo::new(BatchId::new("batch").unwrap(), JobId::new("job").unwrap())
}

/// Reads a flow whose first lines are given.
pub(crate) fn parse(yaml: &str, log: &Log) -> Result<FlowFile, Vec<FlowProblem>> {
    FlowFile::parse(&format!("version: 1\nname: t\n{yaml}"), "t.yaml", &catalog(log))
}

pub(crate) fn flow(yaml: &str, log: &Log) -> FlowFile {
    parse(yaml, log).unwrap_or_else(|problems| panic!("{}", lines(&problems)))
}

fn lines(problems: &[FlowProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Every problem of a flow that must not compile, a line each.
pub(crate) fn problems(yaml: &str) -> String {
    lines(&parse(yaml, &Log::default()).expect_err("the flow must be refused"))
}

/// Runs a flow once: supersteps parted by `|`, failed nodes with `!`, handled ones with `?`, then the state or the error.
pub(crate) async fn check(yaml: &str, input: Value) -> String {
    let flow = flow(yaml, &Log::default());
    let (job, input, cancel) = (job(), object(input), CancelSignal::new());
    let context = StepContext { job: &job, input: &input, cancel: &cancel };
    let mut execution = match Execution::start(flow.graph(), input.clone()) {
        Ok(execution) => execution.without_retries().traced(),
        Err(error) => return format!("! {}: {error}", error.code),
    };
    let mut supersteps = Vec::new();
    let end = loop {
        let stepped = execution.step(&context).await;
        let runs = execution.take_trace().into_iter().map(|run| match run.end {
            RunEnd::Updated(_) => run.node.to_string(),
            RunEnd::Handled(_) => format!("{}?", run.node),
            RunEnd::Failed(_) => format!("{}!", run.node),
        });
        supersteps.push(runs.collect::<Vec<_>>().join(" "));
        match stepped {
            Stepped::Continue => {}
            Stepped::Done => break Value::Object(execution.into_state()).to_string(),
            Stepped::Failed(failure) => {
                let all = failure
                    .iter()
                    .map(|f| format!("{} {}: {}", f.node.as_deref().unwrap_or("-"), f.error.code, f.error));
                break all.collect::<Vec<_>>().join("; ");
            }
            Stepped::Stopped => break "stopped".to_owned(),
        }
    };
    format!("{} -> {end}", supersteps.join(" | "))
}

/// Runs attempts of one job until it ends, as a host would that tries every node `max_attempts` times: a line an attempt
/// with the nodes that ran, in the order in which they began.
pub(crate) struct Attempts {
    pub(crate) flow: FlowFile,
    pub(crate) log: Log,
    pub(crate) memory: Arc<MemoryCheckpointer>,
    pub(crate) engine: ExecutionEngine,
    pub(crate) thread: ThreadId,
    pub(crate) cancel: CancelSignal,
}

impl Attempts {
    pub(crate) fn of(yaml: &str) -> Self {
        let (log, memory) = (Log::default(), Arc::new(MemoryCheckpointer::new()));
        let engine = ExecutionEngine::new().checkpointer(memory.clone());
        let thread = ThreadId::new("batch/job");
        Self { flow: flow(yaml, &log), log, memory, engine, thread, cancel: CancelSignal::new() }
    }

    pub(crate) async fn attempt(&self, number: u32, input: &StateData, given_up: &[GivenUp]) -> AttemptEnd {
        let mut job = job();
        job.attempt = number;
        let cancel = &self.cancel;
        let request = AttemptRequest { job: &job, input, cancel, resume: number > 1, given_up };
        self.engine.attempt(self.flow.graph(), request).await
    }

    pub(crate) fn ran(&self) -> String {
        std::mem::take(&mut *self.log.lock().unwrap()).join(" ")
    }

    pub(crate) async fn run(&self, max_attempts: u32, input: Value) -> Vec<String> {
        let (input, mut lines) = (object(input), Vec::new());
        let mut given_up: Vec<GivenUp> = Vec::new();
        let mut failures = std::collections::HashMap::new();
        for number in 1.. {
            assert!(number < 100, "no end in sight: {lines:?}");
            let end = self.attempt(number, &input, &given_up).await;
            given_up.clear();
            let line = match end {
                AttemptEnd::Done { output, .. } => {
                    lines.push(format!("{} -> {output}", self.ran()));
                    return lines;
                }
                AttemptEnd::Stopped => "stopped".to_owned(),
                AttemptEnd::Failed(failure) => {
                    let shown: Vec<_> = failure.iter().map(|f| f.node.as_deref().unwrap_or("-").to_owned()).collect();
                    let mut over = false;
                    for failed in failure.iter() {
                        let count = failures.entry(failed.node.clone()).or_insert(0);
                        *count += 1;
                        if *count >= max_attempts {
                            match &failed.node {
                                Some(node) if failed.handled => given_up.push(GivenUp::new(
                                    node.clone(),
                                    JobError::from(failed.error.clone()).at_node(node.clone()),
                                    number,
                                )),
                                _ => over = true,
                            }
                        }
                    }
                    let line = format!("{} -> {} {}", self.ran(), failure.first.error.code, shown.join(" "));
                    if over {
                        lines.push(line);
                        return lines;
                    }
                    line
                }
            };
            lines.push(line);
        }
        unreachable!()
    }
}
