//! What the server answers with: the batch itself, asked and steered.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use batchmill_core::{JobId, Status};
use batchmill_executor::{BatchHandle, FlowWorkload, Holder, JobSource, Mill, Reason};
use tokio::sync::Notify;

use super::{
    Answer, CancelledJob, Live, LiveLimit, Outcome, Paused, Reasoned, Request, Why,
    limits::{self, Set},
    protocol::rounded,
    server::Answers,
};
use crate::{
    intake::JsonLines,
    progress::{Pace, Rate, Snapshot},
};

/// Unknown jobs that an answer names.
const NAMED: usize = 5;

/// A running batch and what is needed to answer for it.
pub(crate) struct Desk {
    batch: BatchHandle<FlowWorkload>,
    mill: Mill<FlowWorkload>,
    jobs: Arc<JsonLines>,
    look: Box<dyn Fn() -> Snapshot + Send + Sync>,
    pace: Mutex<Pace>,
    drain: Arc<Notify>,
    drain_limit: Duration,
}

impl Desk {
    /// Answers for `batch`. `drain` is told when somebody wants the host to drain, which it does within `drain_limit`.
    pub(crate) fn new(
        batch: &BatchHandle<FlowWorkload>,
        mill: &Mill<FlowWorkload>,
        jobs: Arc<JsonLines>,
        look: impl Fn() -> Snapshot + Send + Sync + 'static,
        drain: Arc<Notify>,
        drain_limit: Duration,
    ) -> Self {
        let (batch, mill, pace) = (batch.clone(), mill.clone(), Mutex::default());
        Self { batch, mill, jobs, look: Box::new(look), pace, drain, drain_limit }
    }

    fn status(&self) -> Answer {
        let (snapshot, rate) = self.observe();
        let mut live = Live::new(&snapshot, rate);
        let limit = self.mill.limit();
        (live.concurrency, live.concurrency_reason) = (limit.attempts, limit.reason);
        live.limits = self.mill.limits().iter().map(LiveLimit::from).collect();
        live.draining = self.mill.is_draining();
        live.verdict = self.batch.verdict();
        Answer::Status(Box::new(live))
    }

    fn observe(&self) -> (Snapshot, Rate) {
        // Looked at under the lock, so that no look is older than the one before.
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = (self.look)();
        let rate = pace.observe(&snapshot);
        (snapshot, rate)
    }

    fn census(&self) -> Answer {
        Answer::Census { shares: self.batch.census().iter().map(Reasoned::new).collect() }
    }

    fn explain(&self, job: &JobId) -> Answer {
        let Some(place) = self.jobs.find(job) else { return self.unknown(&[job]) };
        let Some(why) = self.batch.explain(place) else { return self.over() };
        let named = |holder: &Holder| Some((self.jobs.id(holder.sequence.into()).ok()?, *holder));
        let holders: Vec<_> = why.reason.holders().iter().filter_map(named).collect();
        Answer::Explained(Reasoned::new(&why).held_by(&holders))
    }

    fn set_limit(&self, key: String, value: &str) -> Answer {
        if self.is_over() {
            return self.over();
        }
        match limits::set(&self.mill, &key, value) {
            Ok(Set { before, now }) => Answer::LimitSet { key, before, now },
            Err(message) => Answer::Refused { why: Why::BadLimit, message },
        }
    }

    fn cancel(&self) -> Answer {
        if self.is_over() {
            return self.over();
        }
        let counts = self.batch.snapshot().counts;
        self.batch.cancel();
        Answer::Cancelling { counts }
    }

    /// All of them, or none where one is not known.
    fn cancel_jobs(&self, ids: Vec<JobId>) -> Answer {
        let found: Vec<Option<u32>> = ids.iter().map(|job| self.jobs.find(job)).collect();
        let unknown: Vec<&JobId> =
            ids.iter().zip(&found).filter(|(_, place)| place.is_none()).map(|(id, _)| id).collect();
        if !unknown.is_empty() {
            return self.unknown(&unknown);
        }
        let places: Vec<u32> = found.into_iter().flatten().collect();
        self.batch.cancel_jobs(places.clone());
        let outcomes = places.into_iter().map(|place| self.batch.explain(place).map(|now| outcome(&now.reason, &now)));
        match outcomes.collect::<Option<Vec<_>>>() {
            Some(outcomes) => {
                let jobs = ids.into_iter().zip(outcomes).map(|(job, outcome)| CancelledJob { job, outcome }).collect();
                Answer::CancelledJobs { jobs }
            }
            None => self.over(),
        }
    }

    fn set_paused(&self, paused: bool) -> Answer {
        if self.is_over() {
            return self.over();
        }
        let why = || self.batch.paused().as_ref().map(Paused::from);
        let (before, stood) = (why(), self.batch.snapshot().counts);
        if paused {
            self.batch.pause();
        } else {
            self.batch.unpause();
        }
        // Of interest is what goes on once it is paused, and what waited until it went on.
        let counts = if paused { self.batch.snapshot().counts } else { stood };
        Answer::Paused { before, now: why(), counts }
    }

    fn drain(&self) -> Answer {
        if self.is_over() {
            return self.over();
        }
        let (before, counts) = (self.mill.is_draining(), self.batch.snapshot().counts);
        self.drain.notify_one();
        Answer::Draining { counts, limit_seconds: rounded(self.drain_limit, 1000.0), before }
    }

    fn is_over(&self) -> bool {
        self.batch.explain(0).is_none()
    }

    fn over(&self) -> Answer {
        Answer::Refused { why: Why::Ended, message: format!("batch {} has ended", self.batch.id()) }
    }

    fn unknown(&self, jobs: &[&JobId]) -> Answer {
        let named: Vec<_> = jobs.iter().take(NAMED).map(|job| format!("`{job}`")).collect();
        let more = jobs.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let (job, named) = (if jobs.len() == 1 { "job" } else { "jobs" }, named.join(", "));
        let message = format!("batch {} has no {job} {named}{more}", self.batch.id());
        Answer::Refused { why: Why::UnknownJob, message }
    }
}

/// What became of a job that was to be cancelled, by what is true of it afterwards.
fn outcome(now: &Reason, text: &impl ToString) -> Outcome {
    let ended = |status| match status {
        Status::Cancelled => Outcome::Cancelled {},
        status => Outcome::Ended { status },
    };
    match now {
        Reason::Ended { status } | Reason::Recording { status } | Reason::EndDecided { status } => ended(*status),
        // Its batch closes, and its record waits for room.
        Reason::Cancelled => ended(Status::Cancelled),
        Reason::Halted { .. } | Reason::BatchDeadline => ended(Status::Skipped),
        Reason::Running | Reason::Stopping { .. } => Outcome::Stopping {},
        _ => Outcome::Kept { text: text.to_string() },
    }
}

impl Answers for Desk {
    fn answer(&self, request: Request) -> Answer {
        match request {
            Request::Status {} => self.status(),
            Request::Census {} => self.census(),
            Request::Explain { job } => self.explain(&job),
            Request::Cancel { jobs: None } => self.cancel(),
            Request::Cancel { jobs: Some(jobs) } => self.cancel_jobs(jobs),
            Request::Pause {} => self.set_paused(true),
            Request::Unpause {} => self.set_paused(false),
            Request::Drain {} => self.drain(),
            Request::SetLimit { key, value } => self.set_limit(key, &value),
        }
    }

    fn tick(&self) {
        self.observe();
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("batch", self.batch.id()).finish_non_exhaustive()
    }
}
