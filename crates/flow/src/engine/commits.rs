//! Commits that the flow does not wait for.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll},
};

use batchmill_core::CheckpointError;

pub(super) type Commit<'a> = Pin<Box<dyn Future<Output = Result<(), CheckpointError>> + Send + 'a>>;

/// As many commits of one attempt are in flight at most; then the flow waits for the oldest.
const COMMITS_MAX: usize = 64;
/// The states in flight hold at most so many bytes, unless one alone holds more.
const BYTES_MAX: u64 = 16 << 20;

/// The commits of one attempt that are in flight, oldest first.
#[derive(Default)]
pub(super) struct Commits<'a> {
    waiting: VecDeque<(Commit<'a>, u64)>,
    bytes: u64,
    failed: Option<CheckpointError>,
}

impl<'a> Commits<'a> {
    /// Hands a commit of a state of `bytes` to the checkpointer: its first poll fixes its place among the calls of its
    /// thread. Waits only where too much is in flight.
    pub(super) async fn begin(&mut self, mut commit: Commit<'a>, bytes: u64) -> Result<(), CheckpointError> {
        self.make_room(bytes).await?;
        let first = poll_fn(|context| Poll::Ready(commit.as_mut().poll(context))).await;
        if let Poll::Ready(committed) = first {
            return committed;
        }
        self.bytes += bytes;
        self.waiting.push_back((commit, bytes));
        Ok(())
    }

    /// Runs `work` while the commits go on. One that fails meanwhile is told by the next call of another method.
    pub(super) async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        if self.waiting.is_empty() {
            return work.await;
        }
        let mut work = pin!(work);
        poll_fn(|context| {
            let worked = work.as_mut().poll(context);
            if worked.is_pending()
                && self.failed.is_none()
                && let Poll::Ready(Err(error)) = self.poll_until(0, 0, context)
            {
                self.failed = Some(error);
            }
            worked
        })
        .await
    }

    /// Waits until all are confirmed.
    pub(super) async fn all(&mut self) -> Result<(), CheckpointError> {
        self.until(0, 0).await
    }

    async fn make_room(&mut self, bytes: u64) -> Result<(), CheckpointError> {
        self.until(COMMITS_MAX - 1, BYTES_MAX.saturating_sub(bytes)).await
    }

    async fn until(&mut self, count: usize, bytes: u64) -> Result<(), CheckpointError> {
        match self.failed.take() {
            Some(error) => Err(error),
            None => poll_fn(|context| self.poll_until(count, bytes, context)).await,
        }
    }

    /// Ready when no more than `count` commits of `bytes` are in flight. Only the oldest is asked: the others were polled
    /// by the same task, which they wake, and an error of theirs is seen when it is their turn.
    fn poll_until(&mut self, count: usize, bytes: u64, context: &mut Context<'_>) -> Poll<Result<(), CheckpointError>> {
        while let Some((oldest, size)) = self.waiting.front_mut() {
            match oldest.as_mut().poll(context) {
                Poll::Ready(committed) => {
                    self.bytes -= *size;
                    self.waiting.pop_front();
                    committed?;
                }
                Poll::Pending if self.waiting.len() > count || self.bytes > bytes => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}
