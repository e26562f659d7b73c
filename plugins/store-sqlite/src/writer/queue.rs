//! What waits for the writing thread: bounded by bytes, answered in order.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

use super::request::{Queued, Request};

/// A group is at most this many records …
const RECORDS_MAX: usize = 1024;
/// … or, beyond its first request, this many bytes.
const BYTES_MAX: usize = 1 << 20;

/// What may wait, in KiB; every request takes at least one.
const ROOM_KIB: u32 = 32 * 1024;

/// Between whoever asks and the thread that writes.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    filled: Condvar,
    /// Fair: requests stand in the order in which they were first polled.
    room: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Waiting {
    requests: VecDeque<Queued>,
    closed: bool,
}

/// What the writing thread does next.
#[derive(Debug)]
pub(crate) enum Next {
    Group(Vec<Queued>),
    /// Nothing came for the time given.
    Nothing,
    /// Nothing will come any more.
    End,
}

impl Queue {
    pub(crate) fn new() -> Self {
        let (waiting, filled) = (Mutex::default(), Condvar::new());
        Self { waiting, filled, room: Arc::new(Semaphore::new(ROOM_KIB as usize)) }
    }

    /// Waits for room and queues `request`; gives it back when the writer is gone.
    pub(crate) async fn push(&self, request: Request) -> Result<(), Request> {
        let size = u32::try_from(request.bytes() / 1024 + 1).unwrap_or(u32::MAX).min(ROOM_KIB);
        match Arc::clone(&self.room).acquire_many_owned(size).await {
            Ok(room) => self.put(Queued { request, room: Some(room) }),
            Err(_) => Err(request),
        }
    }

    /// Queues `request` whether there is room or not: for the few that a person asks for.
    pub(crate) fn push_now(&self, request: Request) -> Result<(), Request> {
        self.put(request.into())
    }

    fn put(&self, queued: Queued) -> Result<(), Request> {
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(queued.request);
        }
        waiting.requests.push_back(queued);
        drop(waiting);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits until `until`, or until there is something to write.
    pub(crate) fn next(&self, until: Instant) -> Next {
        let mut waiting = self.lock();
        loop {
            if !waiting.requests.is_empty() {
                return Next::Group(waiting.group());
            }
            if waiting.closed {
                return Next::End;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                return Next::Nothing;
            }
            (waiting, _) = self.filled.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes nothing more; what waits is still written.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.room.close();
        self.filled.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing in here can be left half done.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// The oldest requests: at least one, and what fits beside it.
    fn group(&mut self) -> Vec<Queued> {
        let (mut records, mut bytes, mut count) = (0, 0, 0);
        for queued in &self.requests {
            records += queued.request.records();
            bytes += queued.request.bytes();
            if count > 0 && (records > RECORDS_MAX || bytes > BYTES_MAX) {
                break;
            }
            count += 1;
        }
        self.requests.drain(..count).collect()
    }
}
