//! What shares used: read from the catalogue for the scheduler, and written back as it is used.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use batchmill_core::{CancelReason, CancelSignal, ShareUsage, UsageMemory};
use batchmill_executor::{FlowWorkload, Mill};
use batchmill_store_sqlite::StateDir;
use tokio::task::JoinHandle;

use crate::{clock, problems::Refusal, refusal::of_store};

/// Written at least this often, so that a host that is killed takes no more than that of what others should know.
const WRITE_EVERY: Duration = Duration::from_secs(60);
/// And with a short half-life this often, because it is worth what it was when it was used.
const PARTS_OF_HALF_LIFE: u32 = 16;
const WRITE_EVERY_MIN: Duration = Duration::from_secs(1);

/// Keeps what is used while a batch runs.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    stop: CancelSignal,
    writer: Option<JoinHandle<()>>,
}

impl Ledger {
    /// Tells the scheduler what was used in earlier batches of the state directory, if it remembers that; and keeps what
    /// is used from now on.
    pub(super) async fn open(mill: &Mill<FlowWorkload>, state: Option<&Path>) -> Result<Self, Refusal> {
        let Some(memory) = mill.usage_memory() else { return Ok(Self::default()) };
        let Some(state) = state else {
            tracing::warn!("durability is `none`: what shares use is neither known from earlier batches nor kept");
            return Ok(Self::default());
        };
        let book = Book { state: state.to_path_buf(), memory };
        let reading = book.clone();
        let used = blocking(move || reading.read()).await?;
        mill.recall_usage(&used);
        let (stop, mill) = (CancelSignal::new(), mill.clone());
        let writer = tokio::spawn(write_on(book, mill, stop.clone()));
        Ok(Self { stop, writer: Some(writer) })
    }

    /// Writes the rest.
    pub(super) async fn close(self) {
        self.stop.cancel(CancelReason::Stop);
        if let Some(writer) = self.writer
            && let Err(error) = writer.await
        {
            tracing::error!(%error, "what shares used is not written");
        }
    }
}

/// Where it is kept.
#[derive(Debug, Clone)]
struct Book {
    state: PathBuf,
    memory: UsageMemory,
}

impl Book {
    fn read(&self) -> Result<Vec<ShareUsage>, Refusal> {
        let used = StateDir::open(&self.state).and_then(|state| state.recall_usage(self.memory, clock::now()));
        used.map_err(|error| of_store(&error))
    }

    fn write(&self, used: &[ShareUsage]) -> Result<(), Refusal> {
        let written = StateDir::open(&self.state).and_then(|state| state.add_usage(self.memory, clock::now(), used));
        written.map_err(|error| of_store(&error))
    }
}

/// Writes again and again, and once more at the end. What could not be written is tried again with what comes next.
async fn write_on(book: Book, mill: Mill<FlowWorkload>, stop: CancelSignal) {
    let pace = (book.memory.half_life / PARTS_OF_HALF_LIFE).clamp(WRITE_EVERY_MIN, WRITE_EVERY);
    let mut ticks = tokio::time::interval(pace);
    let mut unwritten = Vec::new();
    loop {
        let is_last = tokio::select! {
            biased;
            _ = stop.cancelled() => true,
            _ = ticks.tick() => false,
        };
        unwritten.extend(mill.take_usage());
        let (used, book) = (std::mem::take(&mut unwritten), book.clone());
        let (rest, written) = blocking(move || {
            let written = book.write(&used);
            (used, written)
        })
        .await;
        if let Err(refusal) = written {
            tracing::warn!("what shares used could not be written: {}", refusal.text());
            unwritten = rest;
        }
        if is_last {
            return;
        }
    }
}

async fn blocking<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}
