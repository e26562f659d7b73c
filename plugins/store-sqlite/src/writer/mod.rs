//! The one thread that writes a batch's database.
//!
//! It commits at once when it is idle; what arrives during a commit is the next group. It never waits for more to come.
//! Who may touch what: the thread owns the connection; [`Writer`] only queues requests and reads what the thread tells.

mod group;
mod queue;
mod request;
mod scribe;
mod tables;
mod threads;
mod trouble;

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::JoinHandle,
};

use batchmill_core::{Checkpoint, CheckpointError, JournalError, JournalEvent};
use tokio::sync::{oneshot, watch};

pub(crate) use self::request::{Amendment, Entry};
use self::{
    queue::Queue,
    request::{Appended, Forget, Kept, Put, Request},
};
pub(crate) use self::{
    scribe::{Keep, Scribe},
    tables::{Known, Tables, Undone, sortable, unsorted},
    threads::Threads,
    trouble::Ground,
};

/// Asks the thread to write. Dropping it ends the thread, after everything that was asked for.
#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the thread and those who ask it share.
#[derive(Debug)]
struct Shared {
    queue: Queue,
    /// Which jobs have a checkpoint. The thread changes it, before it answers.
    threads: Arc<Threads>,
    /// Set once, when nothing can be written any more.
    broken: watch::Sender<Option<JournalError>>,
}

impl Writer {
    pub(crate) fn start(scribe: Scribe) -> io::Result<Self> {
        let threads = scribe.threads();
        let shared = Arc::new(Shared { queue: Queue::new(), threads, broken: watch::Sender::new(None) });
        let theirs = Arc::clone(&shared);
        let thread =
            std::thread::Builder::new().name("batchmill-store".to_owned()).spawn(move || scribe.run(&theirs))?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    pub(crate) async fn append(&self, events: Vec<JournalEvent>) -> Appended {
        let entries: Result<Vec<_>, _> = events.into_iter().map(Entry::of).collect();
        let entries = entries.map_err(|error| JournalError::new(format!("a result cannot be written: {error}")))?;
        let (answer, answered) = oneshot::channel();
        self.ask(Request::Append(entries, answer)).await;
        answered.await.unwrap_or_else(|_| Err(ended()))
    }

    pub(crate) async fn put(&self, thread: &str, checkpoint: &Checkpoint) -> Kept {
        let put = Put::of(thread, checkpoint, self.shared.threads.fly(thread));
        let put = put.map_err(|error| CheckpointError::new(format!("a checkpoint cannot be written: {error}")))?;
        let (answer, answered) = oneshot::channel();
        self.ask(Request::Put(put, answer)).await;
        answered.await.unwrap_or_else(|_| Err(CheckpointError::new(ended().message)))
    }

    pub(crate) async fn forget(&self, thread: &str) -> Kept {
        let (answer, answered) = oneshot::channel();
        let forget = Forget { thread: thread.into(), flight: self.shared.threads.fly(thread) };
        self.ask(Request::Forget(forget, answer)).await;
        answered.await.unwrap_or_else(|_| Err(CheckpointError::new(ended().message)))
    }

    /// Waits for the writes of `thread` that were asked for before, if there are any. Then whether it may have checkpoints.
    pub(crate) async fn settle(&self, thread: &str) -> Result<bool, CheckpointError> {
        if self.shared.threads.may_fly(thread) {
            let (answer, answered) = oneshot::channel();
            self.ask(Request::Pass(answer)).await;
            answered.await.unwrap_or_else(|_| Err(CheckpointError::new(ended().message)))?;
        }
        Ok(self.shared.threads.may_have(thread))
    }

    pub(crate) async fn compact(&self) -> Result<(), JournalError> {
        let (answer, answered) = oneshot::channel();
        self.ask(Request::Compact(answer)).await;
        answered.await.unwrap_or_else(|_| Err(ended()))
    }

    /// Blocks until the change is recorded.
    pub(crate) fn amend(&self, amendment: Amendment) -> Result<(), JournalError> {
        let (answer, answered) = mpsc::sync_channel(1);
        if let Err(request) = self.shared.queue.push_now(Request::Amend(amendment, answer)) {
            request.refuse(&self.why_not());
        }
        answered.recv().unwrap_or_else(|_| Err(ended()))
    }

    /// Tells when nothing can be written any more, also while nobody asks.
    pub(crate) fn broken(&self) -> watch::Receiver<Option<JournalError>> {
        self.shared.broken.subscribe()
    }

    /// Writes what was asked for, and ends.
    pub(crate) fn stop(&self) {
        self.shared.queue.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that writes the store panicked");
        }
    }

    async fn ask(&self, request: Request) {
        if let Err(request) = self.shared.queue.push(request).await {
            request.refuse(&self.why_not());
        }
    }

    fn why_not(&self) -> JournalError {
        self.shared.broken.borrow().clone().unwrap_or_else(ended)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn ended() -> JournalError {
    JournalError::new("the batch has been closed: nothing more is recorded")
}
