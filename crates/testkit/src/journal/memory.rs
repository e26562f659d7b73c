//! A journal in memory.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use batchmill_core::{
    BatchId, JobResult, Journal, JournalAnswer, JournalError, JournalEvent, Position, Recalled, Setback,
};

/// A real journal that survives its host, though not its process: [`adopt`](Self::adopt) is what a new host does.
///
/// Several batches may share it. Clones are the same host's.
#[derive(Debug, Clone)]
pub struct MemoryJournal {
    store: Arc<Mutex<Store>>,
    incarnation: u64,
}

#[derive(Debug, Default)]
struct Store {
    /// Of the host that owns it.
    incarnation: u64,
    batches: HashMap<BatchId, Log>,
}

#[derive(Debug, Default)]
struct Log {
    last: Position,
    kept: BTreeMap<Position, Kept>,
    ended: HashSet<u64>,
}

#[derive(Debug, Clone)]
enum Kept {
    Result(JobResult),
    Event(JournalEvent),
}

impl Default for MemoryJournal {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryJournal {
    /// A journal that nothing was written to.
    pub fn new() -> Self {
        Self { store: Arc::default(), incarnation: 0 }
    }

    /// Another host takes it over: what this one appends from now on is fenced.
    #[must_use]
    pub fn adopt(&self) -> Self {
        let mut store = self.lock();
        store.incarnation += 1;
        Self { store: Arc::clone(&self.store), incarnation: store.incarnation }
    }

    /// Everything that is recorded of a batch, in order; results that were recorded together are one event each.
    pub fn events(&self, batch: &BatchId) -> Vec<(Position, JournalEvent)> {
        let events = |log: &Log| log.kept.iter().map(|(position, kept)| (*position, kept.event())).collect();
        self.lock().batches.get(batch).map(events).unwrap_or_default()
    }

    /// The results that are recorded of a batch, in order.
    pub fn results(&self, batch: &BatchId) -> Vec<JobResult> {
        let results = |log: &Log| log.results(Position(0)).map(|(_, result)| result.clone()).collect();
        self.lock().batches.get(batch).map(results).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        // Whole logs are put in place at once.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn event(&self) -> JournalEvent {
        match self {
            Self::Result(result) => JournalEvent::Ended(Arc::new(vec![result.clone()])),
            Self::Event(event) => event.clone(),
        }
    }
}

impl Log {
    fn add(&mut self, kept: Kept) {
        self.last.0 += 1;
        self.kept.insert(self.last, kept);
    }

    /// The places of what has no second end; the refusal where one has.
    fn check(&self, events: &[JournalEvent]) -> Result<Vec<u64>, JournalError> {
        let mut ending = Vec::new();
        for event in events {
            let JournalEvent::Ended(results) = event else { continue };
            for result in results.iter() {
                if self.ended.contains(&result.sequence) || ending.contains(&result.sequence) {
                    return Err(JournalError::new(format!("the job at place {} has ended before", result.sequence)));
                }
                ending.push(result.sequence);
            }
        }
        Ok(ending)
    }

    fn append(&mut self, events: Vec<JournalEvent>) -> Result<Position, JournalError> {
        let ending = self.check(&events)?;
        self.ended.extend(ending);
        for event in events {
            match event {
                JournalEvent::Ended(results) => {
                    results.iter().cloned().map(Kept::Result).for_each(|kept| self.add(kept));
                }
                event => self.add(Kept::Event(event)),
            }
        }
        Ok(self.last)
    }

    fn after(&self, after: Position) -> impl Iterator<Item = (Position, &Kept)> {
        self.kept.range(Position(after.0 + 1)..).map(|(position, kept)| (*position, kept))
    }

    fn results(&self, after: Position) -> impl Iterator<Item = (Position, &JobResult)> {
        self.after(after).filter_map(|(position, kept)| match kept {
            Kept::Result(result) => Some((position, result)),
            Kept::Event(_) => None,
        })
    }

    /// Leaves out what a later event has replaced.
    fn compact(&mut self) {
        let (mut setbacks, mut sinks) = (HashSet::new(), HashSet::new());
        let ended = &self.ended;
        let superseded: Vec<Position> = self
            .kept
            .iter()
            .rev()
            .filter(|(_, kept)| match kept {
                Kept::Event(JournalEvent::Retrying(setback)) => {
                    ended.contains(&setback.place) || !setbacks.insert(setback.place)
                }
                Kept::Event(JournalEvent::Delivered(delivered)) => !sinks.insert(delivered.sink.clone()),
                _ => false,
            })
            .map(|(position, _)| *position)
            .collect();
        for position in superseded {
            self.kept.remove(&position);
        }
    }
}

fn recalled(kept: &Kept) -> Option<Recalled> {
    Some(match kept {
        Kept::Result(result) => Recalled::Ended {
            place: result.sequence,
            status: result.status,
            class: result.error.as_ref().map(|error| error.class),
            by_attempt: result.by_attempt(),
            at: result.finished_at,
        },
        Kept::Event(JournalEvent::Retrying(setback)) => Recalled::Retrying(Box::<Setback>::clone(setback)),
        Kept::Event(JournalEvent::Lost { place, crashes, .. }) => Recalled::Lost { place: *place, crashes: *crashes },
        Kept::Event(JournalEvent::Closing(closing)) => Recalled::Closing(closing.clone()),
        Kept::Event(JournalEvent::Paused(pause)) => Recalled::Paused(pause.clone()),
        Kept::Event(JournalEvent::Delivered(delivered)) => Recalled::Delivered(delivered.clone()),
        Kept::Event(_) => return None,
    })
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn append(&self, batch: &BatchId, events: Vec<JournalEvent>) -> Result<JournalAnswer, JournalError> {
        let mut store = self.lock();
        if store.incarnation != self.incarnation {
            return Ok(JournalAnswer::Fenced);
        }
        store.batches.entry(batch.clone()).or_default().append(events).map(JournalAnswer::Ok)
    }

    async fn replay(
        &self,
        batch: &BatchId,
        after: Position,
        max: usize,
    ) -> Result<Vec<(Position, JobResult)>, JournalError> {
        let store = self.lock();
        let Some(log) = store.batches.get(batch) else { return Ok(Vec::new()) };
        Ok(log.results(after).take(max).map(|(position, result)| (position, result.clone())).collect())
    }

    async fn recall(
        &self,
        batch: &BatchId,
        after: Position,
        max: usize,
    ) -> Result<Vec<(Position, Recalled)>, JournalError> {
        let store = self.lock();
        let Some(log) = store.batches.get(batch) else { return Ok(Vec::new()) };
        let events = log.after(after).filter_map(|(position, kept)| recalled(kept).map(|event| (position, event)));
        Ok(events.take(max).collect())
    }

    async fn compact(&self, batch: &BatchId) -> Result<(), JournalError> {
        if let Some(log) = self.lock().batches.get_mut(batch) {
            log.compact();
        }
        Ok(())
    }
}
