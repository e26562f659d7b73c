//! What jobs hold that wait for their retry, and what tasks hold that sleep. Each fills a process of its own, this program
//! again, which tells how much memory is resident once all of them wait.

use std::{
    env,
    num::NonZeroU32,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use batchmill_core::{
    AttemptFailure, BatchId, ErrorClass, FailedAttempt, JobError, JobId, JobResult, NodeError, NodeFailure, Outcome,
    RetryDecision, RetryPolicy, RetryRef, SinkError,
};
use batchmill_executor::{Attempt, AttemptReport, Delivery, JobSource, Mill, Opening, Results, Settings, Workload};
use batchmill_failure_halt::Halt;
use batchmill_scheduler_priority::PriorityScheduler;
use serde_json::Value;
use tokio::{task::JoinSet, time::timeout};

use super::{mill::Numbers, program, runtime};
use crate::measure::Sample;

/// The first argument of such a process; the side and the number of jobs follow.
pub(crate) const ARGUMENT: &str = "--fill-with";

/// The base: so many that everything is there which is there once.
const FEW: u32 = 10_000;
const AT_ONCE: NonZeroU32 = NonZeroU32::new(100).unwrap();
const AN_HOUR: Duration = Duration::from_secs(3600);
/// Of an attempt by hand.
const TIMEOUT: Duration = Duration::from_secs(300);
const ATTEMPTS: u32 = 3;
const ANSWER: &str = "HTTP 503 Service Unavailable";
const LOOK: Duration = Duration::from_millis(10);

/// What waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// Jobs of a batch, each of which has failed once and is tried again in an hour.
    Jobs,
    /// Tasks of tokio that sleep for an hour, and know nothing else.
    Sleeps,
    /// What people write: a task a job in a `JoinSet`, which has failed once within its time limit and sleeps before it tries
    /// again.
    Tasks,
}

impl Waiting {
    const ALL: [Self; 3] = [Self::Jobs, Self::Sleeps, Self::Tasks];

    fn name(self) -> &'static str {
        match self {
            Self::Jobs => "jobs",
            Self::Sleeps => "sleeps",
            Self::Tasks => "tasks",
        }
    }

    /// What one more takes, by those between many and few.
    pub(crate) fn bytes_each(self, jobs: u32) -> Result<Sample, String> {
        let few = FEW.min(jobs / 2).max(1);
        let (base, full) = (self.resident(few)?, self.resident(jobs)?);
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let (base, full) = (base as f64, full as f64);
        Ok(Sample::of((full - base) / f64::from((jobs - few).max(1))))
    }

    /// Asks a process.
    fn resident(self, jobs: u32) -> Result<u64, String> {
        let program = env::current_exe().map_err(|error| format!("where this program is: {error}"))?;
        let mut command = Command::new(program);
        command.env_remove(crate::RETURNS);
        command.args([ARGUMENT, self.name(), &jobs.to_string()]).stdin(Stdio::null()).stderr(Stdio::inherit());
        let output = command.output().map_err(|error| format!("this program again: {error}"))?;
        let told = String::from_utf8_lossy(&output.stdout);
        let bytes = told.trim().parse().ok().filter(|_| output.status.success());
        bytes.ok_or_else(|| format!("{jobs} waiting {}: {}, `{}`", self.name(), output.status, told.trim()))
    }

    fn fill(self, jobs: u32) -> Result<u64, String> {
        let runtime = runtime();
        let held = match self {
            Self::Jobs => runtime.block_on(wait_for_retries(jobs))?,
            Self::Sleeps => runtime.block_on(sleep(jobs))?,
            Self::Tasks => runtime.block_on(retry(jobs))?,
        };
        // An hour is long.
        runtime.shutdown_background();
        Ok(held)
    }
}

/// What such a process does: it prints how many bytes it holds.
pub(crate) fn fill(arguments: &[String]) -> Result<u64, String> {
    let asked = match arguments {
        [name, jobs] => Waiting::ALL.into_iter().find(|waiting| waiting.name() == name).zip(jobs.parse::<u32>().ok()),
        _ => None,
    };
    let (waiting, jobs) = asked.ok_or("this is for the program itself")?;
    waiting.fill(jobs)
}

async fn wait_for_retries(jobs: u32) -> Result<u64, String> {
    let failure = Halt::new(&batchmill_failure_halt::Options::default()).expect("the defaults are valid");
    let scheduler = PriorityScheduler::new(&batchmill_scheduler_priority::Options::default());
    let mill = Mill::start(&Settings::new(AT_ONCE), Box::new(scheduler));
    let source: Arc<dyn JobSource> = Arc::new(Numbers::new(jobs));
    let id = BatchId::new("backlog").expect("a valid id");
    let (results, retry) = (Results::Delivered(Box::new(Nobody)), vec![Arc::new(Later) as Arc<dyn RetryPolicy>]);
    let batch = mill.open(Opening::new(id, Arc::new(Fails), source, Box::new(failure), retry, results));
    loop {
        let counts = batch.snapshot().counts;
        if counts.backing_off == u64::from(jobs) {
            return program::resident();
        }
        if counts.failed > 0 {
            return Err(format!("{} jobs failed instead of waiting", counts.failed));
        }
        // tidy: allow(sleeps): looks at what a benchmark fills, now and then
        tokio::time::sleep(LOOK).await;
    }
}

async fn sleep(jobs: u32) -> Result<u64, String> {
    // On a worker, as the runners of jobs are.
    let spawned = tokio::spawn(async move {
        for _ in 0..jobs {
            // tidy: allow(sleeps): what a benchmark measures
            tokio::spawn(tokio::time::sleep(AN_HOUR));
        }
    });
    spawned.await.map_err(|error| error.to_string())?;
    all_sleep(jobs as usize).await
}

async fn retry(jobs: u32) -> Result<u64, String> {
    let spawned = tokio::spawn(async move {
        let mut tasks = JoinSet::new();
        (0..jobs).for_each(|job| drop(tasks.spawn(tried_again(job))));
        tasks
    });
    let tasks = spawned.await.map_err(|error| error.to_string())?;
    let held = all_sleep(tasks.len()).await;
    drop(tasks);
    held
}

/// A job by hand: its attempts, each within a time limit, with an hour between.
async fn tried_again(job: u32) -> (u32, Result<Value, String>) {
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        match timeout(TIMEOUT, unavailable(job)).await {
            Ok(Ok(output)) => return (job, Ok(output)),
            Ok(Err(error)) => last = error,
            Err(elapsed) => last = elapsed.to_string(),
        }
        // tidy: allow(sleeps): what a benchmark measures
        tokio::time::sleep(AN_HOUR).await;
    }
    (job, Err(last))
}

async fn unavailable(job: u32) -> Result<Value, String> {
    // A call that is answered later, as one over a network is.
    tokio::task::yield_now().await;
    if job == u32::MAX { Ok(Value::from(job)) } else { Err(ANSWER.to_owned()) }
}

/// A task sleeps once it was polled to there: when both queues of tasks are empty, all do.
async fn all_sleep(tasks: usize) -> Result<u64, String> {
    let metrics = tokio::runtime::Handle::current().metrics();
    while metrics.num_alive_tasks() != tasks || metrics.global_queue_depth() > 0 {
        // tidy: allow(sleeps): looks at what a benchmark fills, now and then
        tokio::time::sleep(LOOK).await;
    }
    // tidy: allow(sleeps): what the queues of the workers hold is not shown; they are short
    tokio::time::sleep(LOOK * 10).await;
    program::resident()
}

/// Fails as a server does that is overloaded.
struct Fails;

impl Workload for Fails {
    async fn run(&self, attempt: Attempt<'_>) -> AttemptReport {
        let error = NodeError::new(ErrorClass::Transient, "http_status", ANSWER);
        let failure = NodeFailure::at_node("fetch".into(), error, RetryRef(0), false);
        let outcome = Outcome::Failed(Box::new(AttemptFailure::new(failure)));
        AttemptReport::ended(self.job_id(attempt.index).ok(), outcome)
    }
    fn job_id(&self, index: u64) -> Result<JobId, JobError> {
        Ok(JobId::from(index + 1))
    }
}

/// Every failure is tried again in an hour.
#[derive(Debug)]
struct Later;

impl RetryPolicy for Later {
    fn decide(&self, _: &FailedAttempt) -> RetryDecision {
        RetryDecision::After(AN_HOUR)
    }
}

/// No result comes.
struct Nobody;

#[async_trait]
impl Delivery for Nobody {
    async fn deliver(&mut self, _: &BatchId, results: &mut Vec<JobResult>) -> Result<(), SinkError> {
        results.clear();
        Ok(())
    }
    async fn close(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_waits_to_the_last_and_holds_something() {
        for waiting in Waiting::ALL {
            assert!(waiting.fill(1000).unwrap() > 0, "{waiting:?}");
        }
    }

    #[test]
    fn only_this_program_asks_for_it() {
        let fill = |line: &str| fill(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        for wrong in ["jobs", "jobs many", "others 7", "jobs 7 8"] {
            assert!(fill(wrong).is_err(), "{wrong}");
        }
        assert!(fill("tasks 7").is_ok());
    }
}
