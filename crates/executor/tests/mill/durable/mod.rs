//! Batches that survive their host, on journals that have bad days.

mod checkpoints;
mod feeds;
mod lives;
mod recording;
mod resume;
mod starts;
mod trouble;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use batchmill_core::{BatchId, JobResult, JournalEvent, Resumed, SinkError, WallTime};
use batchmill_executor::{Begins, Durable, Feed, Opening, Past};
use batchmill_testkit::journal::{FaultyJournal, MemoryJournal, NotedStarts};
use tokio::sync::Semaphore;

use crate::{Scripted, batch};

/// A host's storage: what it records stays when the host is gone.
struct Storage {
    memory: MemoryJournal,
    journal: Arc<FaultyJournal>,
    starts: Arc<NotedStarts>,
}

impl Storage {
    fn new() -> Self {
        Self::of(MemoryJournal::new())
    }

    fn of(memory: MemoryJournal) -> Self {
        let journal = FaultyJournal::new(Arc::new(memory.clone()));
        Self { memory, journal, starts: Arc::default() }
    }

    /// The storage of the next host.
    fn adopted(&self) -> Self {
        Self::of(self.memory.adopt())
    }

    fn durable(&self, feeds: Vec<Box<dyn Feed>>) -> Durable {
        Durable::new(self.journal.clone(), self.starts.clone(), WallTime::from_micros(1_800_000_000_000_000), feeds)
    }

    /// A batch of its first host.
    fn opening(&self, workload: Arc<Scripted>, count: u64, feeds: Vec<Box<dyn Feed>>) -> Opening<Scripted> {
        batch(workload, count, self.durable(feeds))
    }

    /// The same of a later one.
    async fn resuming(&self, workload: Arc<Scripted>, count: u64, feeds: Vec<Box<dyn Feed>>) -> Opening<Scripted> {
        let past = Past::read(&self.memory, &name(count)).await.unwrap();
        batch(workload, count, self.durable(feeds).resuming(past))
    }

    /// Everything that was appended, in its order.
    fn appended(&self) -> Vec<JournalEvent> {
        self.journal.groups().into_iter().flatten().collect()
    }

    /// What is recorded. The journal of a batch that is closed was compacted.
    fn events(&self, count: u64) -> Vec<JournalEvent> {
        self.memory.events(&name(count)).into_iter().map(|(_, event)| event).collect()
    }

    /// Places of jobs in the order of their records.
    fn places(&self, count: u64) -> Vec<u64> {
        self.memory.results(&name(count)).iter().map(|result| result.sequence).collect()
    }

    fn is_closed(&self, count: u64) -> bool {
        matches!(self.events(count).last(), Some(JournalEvent::Closed { .. }))
    }

    /// How many results each append had.
    fn group_sizes(&self) -> Vec<usize> {
        let results = |events: &Vec<JournalEvent>| {
            events.iter().map(|event| if let JournalEvent::Ended(results) = event { results.len() } else { 0 }).sum()
        };
        self.journal.groups().iter().map(results).collect()
    }
}

/// What [`batch`] calls a batch of so many jobs.
fn name(count: u64) -> BatchId {
    BatchId::new(format!("batch-of-{count}")).unwrap()
}

/// A feed whose mark is how many results it has, and which has bad days too.
struct Counting {
    name: &'static str,
    begins: Begins,
    taken: Taken,
    gate: Arc<Semaphore>,
}

/// What a feed was told.
#[derive(Clone, Default)]
struct Taken(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    places: Vec<u64>,
    errors: VecDeque<SinkError>,
    resumed: Vec<Option<String>>,
    /// What it finds where an earlier host wrote; `None`: what it has.
    finds: Option<Resumed>,
    closed: bool,
}

impl Taken {
    fn places(&self) -> Vec<u64> {
        self.0.lock().unwrap().places.clone()
    }

    fn fails(&self, errors: impl IntoIterator<Item = SinkError>) {
        self.0.lock().unwrap().errors.extend(errors);
    }

    fn resumed(&self) -> Vec<Option<String>> {
        self.0.lock().unwrap().resumed.clone()
    }

    fn is_closed(&self) -> bool {
        self.0.lock().unwrap().closed
    }
}

#[async_trait]
impl Feed for Counting {
    fn name(&self) -> &str {
        self.name
    }

    fn begins(&self) -> Begins {
        self.begins
    }

    async fn take(&mut self, _: &BatchId, results: &[JobResult]) -> Result<(), SinkError> {
        let _permit = self.gate.acquire().await.unwrap();
        let mut told = self.taken.0.lock().unwrap();
        if let Some(error) = told.errors.pop_front() {
            assert_ne!(error.message, "panic", "as it was told");
            return Err(error);
        }
        told.places.extend(results.iter().map(|result| result.sequence));
        Ok(())
    }

    fn mark(&self) -> Option<String> {
        Some(self.taken.places().len().to_string())
    }

    async fn resume(&mut self, mark: Option<&str>) -> Result<Resumed, SinkError> {
        let mut told = self.taken.0.lock().unwrap();
        told.resumed.push(mark.map(str::to_owned));
        let finds = told.finds.unwrap_or(Resumed::AtMark);
        let stays = if finds == Resumed::Empty { 0 } else { mark.unwrap().parse().unwrap() };
        told.places.truncate(stays);
        Ok(finds)
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        self.taken.0.lock().unwrap().closed = true;
        Ok(())
    }
}

/// A feed that keeps what it gets over hosts, in `taken`.
fn sink(name: &'static str, taken: &Taken) -> Box<dyn Feed> {
    gated_sink(name, taken, &Arc::new(Semaphore::new(1)))
}

fn gated_sink(name: &'static str, taken: &Taken, gate: &Arc<Semaphore>) -> Box<dyn Feed> {
    Box::new(Counting { name, begins: Begins::AtItsMark, taken: taken.clone(), gate: gate.clone() })
}

/// A feed that begins anew.
fn screen(taken: &Taken) -> Box<dyn Feed> {
    let gate = Arc::new(Semaphore::new(1));
    Box::new(Counting { name: "screen", begins: Begins::Anew, taken: taken.clone(), gate })
}

fn sorted(mut places: Vec<u64>) -> Vec<u64> {
    places.sort_unstable();
    places
}

fn upto(count: u64) -> Vec<u64> {
    (0..count).collect()
}

fn no_room() -> SinkError {
    let mut error = SinkError::permanent("results.jsonl: No space left on device");
    error.temporary = true;
    error
}
