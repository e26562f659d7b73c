//! Results as they complete, with back-pressure.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    vec,
};

use async_trait::async_trait;
use batchmill_core::{BatchId, JobResult, SinkError};
use batchmill_executor::{BatchHandle, Delivery, FlowWorkload, Pauses};
use futures_util::Stream;
use tokio::sync::{mpsc, oneshot};

use crate::{BatchResult, BatchStats, progress::Progress};

/// Lots on their way: the one that the consumer takes from. The next waits in its delivery.
const LOTS: usize = 1;

/// Results that ended together.
pub(crate) struct Lot {
    results: vec::IntoIter<JobResult>,
    /// Dropping it answers: every result of the lot was taken.
    _taken: oneshot::Sender<()>,
}

/// Hands lots to a stream, and answers for a lot when its last result was taken.
pub(crate) struct Handover(mpsc::Sender<Lot>);

pub(crate) fn channel() -> (Handover, mpsc::Receiver<Lot>) {
    let (sender, receiver) = mpsc::channel(LOTS);
    (Handover(sender), receiver)
}

#[async_trait]
impl Delivery for Handover {
    async fn deliver(&mut self, _: &BatchId, results: &mut Vec<JobResult>) -> Result<(), SinkError> {
        let (taken, when_taken) = oneshot::channel();
        let lot = Lot { results: std::mem::take(results).into_iter(), _taken: taken };
        // A consumer that is gone has cancelled the batch: what still ends then is wanted by nobody.
        if self.0.send(lot).await.is_ok() {
            let _ = when_taken.await;
        }
        Ok(())
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// The results of a batch as its jobs end, each with its place in submission order. Dropping it cancels the batch.
///
/// The batch goes on without being polled, but not far: while results of 256 jobs were not taken, nothing more starts.
#[must_use = "dropping a stream cancels its batch"]
pub struct BatchStream {
    batch: BatchHandle<FlowWorkload>,
    lots: mpsc::Receiver<Lot>,
    lot: Option<Lot>,
    progress: Option<Progress>,
    left: usize,
    ended: bool,
}

impl BatchStream {
    pub(crate) fn new(
        batch: BatchHandle<FlowWorkload>,
        lots: mpsc::Receiver<Lot>,
        progress: Option<Progress>,
        total: usize,
    ) -> Self {
        Self { batch, lots, lot: None, progress, left: total, ended: false }
    }

    /// How the batch stands.
    pub fn stats(&self) -> BatchStats {
        self.batch.snapshot().into()
    }

    /// Results that were not yielded. Above zero after the end only if a policy panicked or the runtime shuts down.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Cancels the batch: jobs that wait or run end `cancelled`, and their results still come.
    pub fn cancel(&self) {
        self.batch.cancel();
    }

    /// Starts no more jobs until [`unpause`](Self::unpause). Those that run finish, and their results come.
    pub fn pause(&self) {
        self.batch.pause();
    }

    /// Lets a paused batch go on, whether its failure strategy paused it or [`pause`](Self::pause).
    pub fn unpause(&self) {
        self.batch.unpause();
    }

    /// Tells when the batch pauses and when it goes on, to be awaited beside the next result: while a batch is paused, no
    /// result may come.
    pub fn pauses(&self) -> Pauses {
        self.batch.pauses()
    }

    fn end(&mut self) {
        self.ended = true;
        if let Some(progress) = self.progress.take() {
            progress.end();
        }
    }
}

impl Stream for BatchStream {
    type Item = (usize, BatchResult);

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(result) = self.lot.as_mut().and_then(|lot| lot.results.next()) {
                self.left = self.left.saturating_sub(1);
                let place = usize::try_from(result.sequence).expect("a place in a vector");
                return Poll::Ready(Some((place, result.into())));
            }
            // Answers for the lot: only now its jobs count as ended.
            self.lot = None;
            if self.ended {
                return Poll::Ready(None);
            }
            match ready!(self.lots.poll_recv(context)) {
                Some(lot) => self.lot = Some(lot),
                None => self.end(),
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left))
    }
}

impl Drop for BatchStream {
    fn drop(&mut self) {
        if !self.ended {
            self.batch.cancel();
        }
    }
}

impl fmt::Debug for BatchStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchStream").field("left", &self.left).finish_non_exhaustive()
    }
}
