//! Where results wait for whoever delivers or records them.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use batchmill_core::{Closing, JobResult, Pause};
use batchmill_dispatch::{Record, Setback};
use tokio::sync::Notify;

use super::{Snapshot, batch::BatchEnd, load::size};

/// What waits.
#[derive(Debug)]
pub(super) enum Lot {
    /// From a runner.
    Results(Vec<JobResult>),
    /// Of jobs that end without an attempt of their own: put into words when they are delivered, because that may read
    /// the job.
    Records(Vec<Record>),
    /// For the journal of a durable batch. What led to it has not left before it.
    Decided(Decided),
}

/// What dispatch decided and a later host must know.
#[derive(Debug)]
pub(super) enum Decided {
    /// A job will run again.
    Retrying {
        /// Its place in the batch.
        place: u32,
        /// What is known of it.
        setback: Box<Setback>,
    },
    /// The batch takes no more starts.
    Closing(Closing),
    /// It pauses, or goes on.
    Paused(Option<Pause>),
}

/// Where runners leave what has ended. Bounded by dispatch: it starts nothing while too many records are unanswered.
///
/// On cache lines of its own: who runs attempts reads what stands beside it in a batch all the time.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Outlet {
    waiting: Mutex<Waiting>,
    pub(super) wake: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Delivered and answered one by one: a reader of small lots answers early, so that starts never wait for a long one.
    lots: VecDeque<Lot>,
    /// Room of lots that were delivered, for those to come: what one thread allocates and another frees is new memory for the
    /// first one again and again, and the first touch of it costs more than to fill it.
    rooms: Vec<Vec<JobResult>>,
    last: Option<BatchEnd>,
    closed: bool,
}

/// Results that are delivered at once, at most.
const LOT_MAX: usize = 256;
/// Fewer than this are worth a look around for more.
const FEW: usize = 32;
/// Rooms that are kept.
const ROOMS_MAX: usize = 8;

impl Waiting {
    /// Moves `results` in. A lot changes owner as a whole, and the runner gets other room for it; a few results are put
    /// together with others, and leave the runner its room.
    fn put(&mut self, results: &mut Vec<JobResult>) {
        match self.lots.back_mut() {
            Some(Lot::Results(last)) if last.len() + results.len() <= LOT_MAX => last.append(results),
            _ if results.len() >= FEW => {
                let room = self.rooms.pop().unwrap_or_default();
                self.lots.push_back(Lot::Results(std::mem::replace(results, room)));
            }
            _ => {
                let mut few = self.rooms.pop().unwrap_or_default();
                few.append(results);
                self.lots.push_back(Lot::Results(few));
            }
        }
    }

    fn put_record(&mut self, record: Record) {
        match self.lots.back_mut() {
            Some(Lot::Records(last)) if last.len() < LOT_MAX => last.push(record),
            _ => self.lots.push_back(Lot::Records(vec![record])),
        }
    }
}

impl Outlet {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Only moves of vectors happen under this lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push_all(&self, results: &mut Vec<JobResult>) {
        if !results.is_empty() {
            self.lock().put(results);
            self.wake.notify_one();
        }
    }

    /// The same, unless nobody takes anything any more.
    pub(super) fn push_if_open(&self, results: &mut Vec<JobResult>) -> bool {
        let mut waiting = self.lock();
        if waiting.closed {
            results.clear();
            return false;
        }
        waiting.put(results);
        drop(waiting);
        self.wake.notify_one();
        true
    }

    /// Nobody takes anything any more. How much of the load it leaves.
    pub(super) fn close(&self) -> usize {
        let mut waiting = self.lock();
        waiting.closed = true;
        let left =
            waiting.lots.drain(..).filter_map(|lot| if let Lot::Results(left) = lot { Some(left) } else { None });
        left.flatten().map(|result| size(&result)).sum()
    }

    pub(super) fn push_record(&self, record: Record) {
        self.lock().put_record(record);
        self.wake.notify_one();
    }

    pub(super) fn push_decided(&self, decided: Decided) {
        self.lock().lots.push_back(Lot::Decided(decided));
        self.wake.notify_one();
    }

    /// Takes back the room of a lot that was delivered.
    pub(super) fn take_back(&self, mut room: Vec<JobResult>) {
        room.clear();
        let mut waiting = self.lock();
        if waiting.rooms.len() < ROOMS_MAX && (FEW..=LOT_MAX).contains(&room.capacity()) {
            waiting.rooms.push(room);
        }
    }

    /// Gives back what was too much, as what it was.
    pub(super) fn put_back(&self, lot: Lot) {
        self.lock().lots.push_front(lot);
    }

    pub(super) fn end(&self, end: BatchEnd) {
        self.lock().last = Some(end);
        self.wake.notify_one();
    }

    pub(super) fn last_snapshot(&self) -> Snapshot {
        self.lock()
            .last
            .as_ref()
            .map_or_else(Snapshot::default, |end| Snapshot { counts: end.counts, retries: end.retries })
    }

    pub(super) fn holds_few(&self) -> bool {
        let waiting = self.lock();
        matches!(waiting.lots.front(), Some(Lot::Results(results)) if waiting.lots.len() == 1 && results.len() < FEW)
    }

    /// The next lot, or how the batch ended once nothing more comes, or neither yet.
    pub(super) fn take(&self) -> Next {
        let mut waiting = self.lock();
        match (waiting.lots.pop_front(), &waiting.last) {
            (Some(lot), _) => Next::Lot(lot),
            (None, Some(end)) => Next::End(end.clone()),
            (None, None) => Next::Wait,
        }
    }
}

pub(super) enum Next {
    Lot(Lot),
    End(BatchEnd),
    Wait,
}
