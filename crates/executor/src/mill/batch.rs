//! A batch that runs.

use std::{fmt, sync::Arc};

use batchmill_core::{BatchCounts, BatchId, Pause, StartLog, Verdict};
use batchmill_dispatch::{BatchKey, Event, Explanation, Share};
use tokio::sync::watch;

use crate::{Workload, durable::Undelivered};

use super::{Shared, Snapshot, outlet::Outlet};

/// What became of a batch.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BatchEnd {
    /// As a whole.
    pub verdict: Verdict,
    /// Its final counters.
    pub counts: BatchCounts,
    /// Attempts that were repeated.
    pub retries: u64,
    /// Jobs that have no end, by reason: where the host drained, or their results could not be stored.
    pub left: Vec<Share>,
    /// Feeds of a durable batch that have not got everything. It stays open for them.
    pub undelivered: Vec<Undelivered>,
}

impl BatchEnd {
    /// An end without retries that left nothing.
    pub fn new(verdict: Verdict, counts: BatchCounts) -> Self {
        Self { verdict, counts, retries: 0, left: Vec::new(), undelivered: Vec::new() }
    }
}

pub(crate) struct OpenBatch<W> {
    pub(crate) key: BatchKey,
    pub(crate) id: BatchId,
    pub(crate) workload: Arc<W>,
    pub(crate) outlet: Outlet,
    /// Of a durable batch.
    pub(crate) starts: Option<Arc<dyn StartLog>>,
    /// Why it starts nothing, while it is paused; at its end, as it was then.
    pub(crate) paused: watch::Sender<Option<Pause>>,
    pub(crate) span: tracing::Span,
}

/// A batch that was opened. Clones share it; dropping them all does not cancel it.
pub struct BatchHandle<W: Workload> {
    shared: Arc<Shared<W>>,
    batch: Arc<OpenBatch<W>>,
    end: watch::Receiver<Option<BatchEnd>>,
}

impl<W: Workload> Clone for BatchHandle<W> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), batch: self.batch.clone(), end: self.end.clone() }
    }
}

/// Watches a batch pause and go on.
#[derive(Debug)]
pub struct Pauses(watch::Receiver<Option<Pause>>);

impl Pauses {
    /// Waits for the next change: why the batch is paused now, or `None` if it goes on. Changes that nobody waited for
    /// are one. Cancel safe.
    pub async fn next(&mut self) -> Option<Pause> {
        if self.0.changed().await.is_err() {
            // Nobody is left who could pause it.
            std::future::pending::<()>().await;
        }
        self.0.borrow_and_update().clone()
    }
}

impl<W: Workload> BatchHandle<W> {
    pub(super) fn new(
        shared: Arc<Shared<W>>,
        batch: Arc<OpenBatch<W>>,
        end: watch::Receiver<Option<BatchEnd>>,
    ) -> Self {
        Self { shared, batch, end }
    }

    /// The batch's name.
    pub fn id(&self) -> &BatchId {
        &self.batch.id
    }

    /// How it stands, or how it ended.
    pub fn snapshot(&self) -> Snapshot {
        match self.shared.snapshot(self.batch.key) {
            Some(snapshot) => snapshot,
            // Dispatch has let go of it: it left its last numbers with the results.
            None => self.batch.outlet.last_snapshot(),
        }
    }

    /// Why a job stands where it stands, by its place in the batch; `None` where there is no such job, or the batch has
    /// ended.
    pub fn explain(&self, index: u32) -> Option<Explanation> {
        self.shared.ask(|dispatch, now| dispatch.explain(self.batch.key, index, now))
    }

    /// How many jobs have which reason, the most first; empty once the batch has ended. Looks at every job.
    pub fn census(&self) -> Vec<Share> {
        self.shared.ask(|dispatch, now| dispatch.census(self.batch.key, now))
    }

    /// Why it starts nothing, while it is paused; of a batch that ended while it was paused, why it was.
    pub fn paused(&self) -> Option<Pause> {
        self.batch.paused.borrow().clone()
    }

    /// Tells when it pauses and when it goes on. If it is paused now, that is the first to be told.
    pub fn pauses(&self) -> Pauses {
        let mut changes = self.batch.paused.subscribe();
        if changes.borrow().is_some() {
            changes.mark_changed();
        }
        Pauses(changes)
    }

    /// Waits until every result is delivered and the delivery is closed.
    pub async fn wait(&self) -> BatchEnd {
        match self.ended().await {
            Some(end) => end,
            // The runtime is shutting down under us.
            None => std::future::pending().await,
        }
    }

    /// The same; `None` where that never comes, because the runtime shuts down.
    pub async fn ended(&self) -> Option<BatchEnd> {
        let mut end = self.end.clone();
        loop {
            if let Some(end) = &*end.borrow_and_update() {
                return Some(end.clone());
            }
            if end.changed().await.is_err() {
                return None;
            }
        }
    }

    /// What became of it, once it has ended and every result is delivered.
    pub fn verdict(&self) -> Option<Verdict> {
        self.end.borrow().as_ref().map(|end| end.verdict.clone())
    }

    /// Cancels the whole batch: waiting and running jobs end `cancelled`.
    pub fn cancel(&self) {
        self.shared.step(Event::CancelRequested { batch: self.batch.key, jobs: None });
    }

    /// Cancels some jobs, by their places in the batch.
    pub fn cancel_jobs(&self, jobs: Vec<u32>) {
        self.shared.step(Event::CancelRequested { batch: self.batch.key, jobs: Some(jobs) });
    }

    /// Starts no more jobs of this batch until [`unpause`](Self::unpause).
    pub fn pause(&self) {
        self.shared.step(Event::PauseRequested { batch: self.batch.key, paused: true });
    }

    /// Lets a paused batch go on.
    pub fn unpause(&self) {
        self.shared.step(Event::PauseRequested { batch: self.batch.key, paused: false });
    }
}

impl<W: Workload> fmt::Debug for BatchHandle<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchHandle").field("id", &self.batch.id).finish_non_exhaustive()
    }
}
