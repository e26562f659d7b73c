//! A mill with attempts made for the purpose: who is started, who is stopped, who is told.
//!
//! No test waits in real time: tokio's clock is paused, so that elapsed time is exact, or there is no timer at all.

mod batches;
mod delivery;
mod durable;
mod governor;
mod hands;
mod limits;
mod metrics;
mod shutdown;

use std::{
    future::Future,
    num::NonZeroU32,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use batchmill_core::{BatchId, CancelSignal, Job, JobError, JobId, JobResult, Outcome, SinkError, StateData, Status};
use batchmill_executor::{Attempt, AttemptReport, Delivery, Mill, Opening, Settings, Workload};
use batchmill_failure_halt::Halt;
use batchmill_retry_exponential::Exponential;
use batchmill_scheduler_priority::PriorityScheduler;
use serde_json::json;
use tokio::sync::Semaphore;

type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// What an attempt does, given the place of its job and its signal.
type Body = Box<dyn Fn(u64, CancelSignal) -> Running + Send + Sync>;

/// Attempts that do as a test says, and count themselves.
struct Scripted {
    body: Body,
    census: Arc<Census>,
}

/// How many attempts there are.
#[derive(Debug, Default)]
struct Census {
    started: AtomicUsize,
    running: AtomicUsize,
    most: AtomicUsize,
}

impl Census {
    fn started(&self) -> usize {
        self.started.load(Ordering::SeqCst)
    }

    fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

/// Counts an attempt as running until it has ended, or is dropped.
struct Present(Arc<Census>);

impl Present {
    fn enter(census: &Arc<Census>) -> Self {
        census.started.fetch_add(1, Ordering::SeqCst);
        let running = census.running.fetch_add(1, Ordering::SeqCst) + 1;
        census.most.fetch_max(running, Ordering::SeqCst);
        Self(census.clone())
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Workload for Scripted {
    async fn run(&self, attempt: Attempt<'_>) -> AttemptReport {
        let _present = Present::enter(&self.census);
        let id = JobId::from(attempt.index);
        match (self.body)(attempt.index, attempt.cancel.clone()).await {
            Outcome::Succeeded => AttemptReport::succeeded(id, json!(attempt.index)),
            outcome => AttemptReport::ended(Some(id), outcome),
        }
    }

    fn job_id(&self, index: u64) -> Result<JobId, JobError> {
        Ok(JobId::from(index))
    }
}

/// Attempts that run `body`, and their census.
fn scripted<F>(body: impl Fn(u64, CancelSignal) -> F + Send + Sync + 'static) -> (Arc<Scripted>, Arc<Census>)
where
    F: Future<Output = Outcome> + Send + 'static,
{
    let census = Arc::new(Census::default());
    let body: Body = Box::new(move |index, signal| Box::pin(body(index, signal)));
    (Arc::new(Scripted { body, census: census.clone() }), census)
}

/// Attempts that succeed at once.
fn at_once() -> (Arc<Scripted>, Arc<Census>) {
    scripted(|_, _| std::future::ready(Outcome::Succeeded))
}

/// Attempts that each need a permit of the gate to end, and listen to nothing.
fn gated() -> (Arc<Scripted>, Arc<Census>, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let waiting = gate.clone();
    let (workload, census) = scripted(move |_, _| {
        let gate = waiting.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            Outcome::Succeeded
        }
    });
    (workload, census, gate)
}

/// Attempts that never end and listen to nothing.
fn deaf() -> (Arc<Scripted>, Arc<Census>) {
    scripted(|_, _| std::future::pending())
}

/// Attempts that listen to their signal and end so long after it was raised.
fn listening(takes: Duration) -> (Arc<Scripted>, Arc<Census>) {
    scripted(move |_, signal| async move {
        signal.cancelled().await;
        after(takes).await;
        Outcome::Succeeded
    })
}

/// Ready after a time of the paused clock.
async fn after(time: Duration) {
    let _ = tokio::time::timeout(time, std::future::pending::<()>()).await;
}

/// Keeps what is delivered; a lot needs a permit of the gate.
struct Kept {
    results: Results,
    gate: Arc<Semaphore>,
    error: Option<&'static str>,
}

type Results = Arc<Mutex<Vec<JobResult>>>;

#[async_trait]
impl Delivery for Kept {
    async fn deliver(&mut self, _: &BatchId, results: &mut Vec<JobResult>) -> Result<(), SinkError> {
        let _permit = self.gate.acquire().await.unwrap();
        if let Some(message) = self.error {
            return Err(SinkError::permanent(message));
        }
        self.results.lock().unwrap().append(results);
        Ok(())
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// A delivery that takes everything, and what it took.
fn kept() -> (Kept, Results) {
    let results = Results::default();
    (Kept { results: results.clone(), gate: Arc::new(Semaphore::new(1)), error: None }, results)
}

impl From<Kept> for batchmill_executor::Results {
    fn from(delivery: Kept) -> Self {
        Box::new(delivery).into()
    }
}

fn mill(concurrency: u32) -> Mill<Scripted> {
    Mill::start(&Settings::new(at_once_at_most(concurrency)), scheduler())
}

fn at_once_at_most(attempts: u32) -> NonZeroU32 {
    NonZeroU32::new(attempts).expect("not 0")
}

fn scheduler() -> Box<PriorityScheduler> {
    Box::new(PriorityScheduler::new(&Default::default()))
}

/// A batch of `count` jobs, one attempt each.
fn batch(workload: Arc<Scripted>, count: u64, results: impl Into<batchmill_executor::Results>) -> Opening<Scripted> {
    let jobs: Vec<Job> = (0..count).map(|n| Job::new(JobId::from(n), StateData::new())).collect();
    let once = Exponential::new(&batchmill_retry_exponential::Options::with_max_attempts(1)).unwrap();
    let failure = Box::new(Halt::new(&Default::default()).unwrap());
    let id = BatchId::new(format!("batch-of-{count}")).unwrap();
    Opening::new(id, workload, Arc::new(jobs), failure, vec![Arc::new(once)], results)
}

/// Lets all tasks of the current-thread runtime do what they can. Time stands still meanwhile.
async fn settle() {
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
}

fn count(results: &Results, status: Status) -> usize {
    results.lock().unwrap().iter().filter(|result| result.status == status).count()
}
