//! What is due when.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use batchmill_core::MonoTime;

use crate::BatchKey;

/// Something that happens at a moment. Entries are not taken out one by one: one whose job has moved on is void.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// A job's `after` has come.
    Admit(BatchKey, u32),
    /// A job's backoff is over; void unless its epoch is still this one.
    Retry(BatchKey, u32, u32),
    /// A job's deadline has passed.
    JobDeadline(BatchKey, u32),
    /// A job that may start since its `after` has not.
    StartLimit(BatchKey, u32),
    /// The jobs of a batch that may start since it is sealed, and have not.
    StartLimits(BatchKey),
    /// A job that has started has not ended.
    JobTimeout(BatchKey, u32),
    /// A batch's deadline has passed.
    BatchDeadline(BatchKey),
    /// A job of this batch has waited so long that what it needs is kept for it.
    Reserve(BatchKey),
    /// The scheduler had nothing to start before this moment.
    Refill,
    /// A key of a limit, by its number, may let something start again.
    Gate(u32),
}

impl Due {
    /// Whose it is, if it is not the host's.
    fn batch(self) -> Option<BatchKey> {
        match self {
            Self::Admit(batch, _)
            | Self::Retry(batch, ..)
            | Self::JobDeadline(batch, _)
            | Self::StartLimit(batch, _)
            | Self::StartLimits(batch)
            | Self::JobTimeout(batch, _)
            | Self::BatchDeadline(batch)
            | Self::Reserve(batch) => Some(batch),
            Self::Refill | Self::Gate(_) => None,
        }
    }
}

/// A heap of due moments; equal moments come in the order in which they were armed.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(MonoTime, u64, Due)>>,
    armed: u64,
    /// Entries of each open batch.
    by_batch: HashMap<BatchKey, usize>,
    /// Entries of batches that have ended.
    void: usize,
    /// When the next token is there for a retry that waits for one.
    pub(crate) next_token: Option<MonoTime>,
    /// What the body was told last, to say it again only when it changes.
    announced: Option<MonoTime>,
}

impl Timers {
    pub(crate) fn arm(&mut self, at: MonoTime, due: Due) {
        self.armed += 1;
        if let Some(batch) = due.batch() {
            *self.by_batch.entry(batch).or_default() += 1;
        }
        self.heap.push(Reverse((at, self.armed, due)));
    }

    /// The next thing that is due at `now`.
    pub(crate) fn pop_due(&mut self, now: MonoTime) -> Option<Due> {
        if self.heap.peek()?.0.0 > now {
            return None;
        }
        let Reverse((_, _, due)) = self.heap.pop()?;
        match due.batch().map(|batch| self.by_batch.get_mut(&batch)) {
            Some(Some(entries)) => *entries -= 1,
            Some(None) => self.void -= 1,
            None => {}
        }
        Some(due)
    }

    /// A batch has ended: what is due for it is void. Once most of the heap is, it is swept out, so that a deadline of
    /// next week holds no memory of a batch of today, and each entry is looked at a constant number of times.
    pub(crate) fn forget(&mut self, batch: BatchKey) {
        self.void += self.by_batch.remove(&batch).unwrap_or_default();
        if self.void > self.heap.len() / 2 {
            let Self { heap, by_batch, .. } = self;
            heap.retain(|Reverse((_, _, due))| due.batch().is_none_or(|batch| by_batch.contains_key(&batch)));
            self.void = 0;
        }
    }

    /// When the first entry is due that is `wanted`. Looks at all of them.
    pub(crate) fn first(&self, wanted: impl Fn(Due) -> bool) -> Option<MonoTime> {
        self.heap.iter().filter(|Reverse((_, _, due))| wanted(*due)).map(|Reverse((at, ..))| *at).min()
    }

    /// The earliest moment, if the body does not know it yet.
    pub(crate) fn announce(&mut self) -> Option<MonoTime> {
        let earliest = self.heap.peek().map(|entry| entry.0.0).into_iter().chain(self.next_token).min();
        if earliest == self.announced {
            return None;
        }
        self.announced = earliest;
        earliest
    }

    /// The bytes that are kept for entries.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.heap.capacity() * size_of::<Reverse<(MonoTime, u64, Due)>>()
    }

    /// The body's alarm has gone off: whatever is next must be announced anew.
    pub(crate) fn alarm_went_off(&mut self) {
        self.announced = None;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> MonoTime {
        MonoTime::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn the_timers_of_ended_batches_are_swept_out_once_they_are_most() {
        let mut timers = Timers::default();
        timers.arm(at(1), Due::Refill);
        for key in 0..100 {
            for index in 0..10 {
                timers.arm(at(1000), Due::JobDeadline(BatchKey(key), index));
            }
            if key > 0 {
                timers.forget(BatchKey(key));
            }
            assert!(timers.heap.len() <= 2 * (1 + 10) + 10, "{} entries after batch {key}", timers.heap.len());
        }
        let left: Vec<Due> = std::iter::from_fn(|| timers.pop_due(at(1000))).collect();
        let of_open = |due: &&Due| due.batch() == Some(BatchKey(0));
        assert_eq!((left[0], left.iter().filter(of_open).count()), (Due::Refill, 10));
        assert_eq!((timers.heap.len(), timers.void), (0, 0));
    }

    #[test]
    fn a_void_timer_that_comes_due_is_counted_off() {
        let mut timers = Timers::default();
        for index in 0..3 {
            timers.arm(at(9), Due::JobDeadline(BatchKey(0), index));
        }
        timers.arm(at(1), Due::JobDeadline(BatchKey(1), 0));
        timers.forget(BatchKey(1));
        assert_eq!(timers.void, 1, "not most of them");
        assert_eq!(timers.pop_due(at(1)), Some(Due::JobDeadline(BatchKey(1), 0)));
        assert_eq!((timers.void, timers.heap.len()), (0, 3));
    }
}
