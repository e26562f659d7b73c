//! A start log that a test can read.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use batchmill_core::StartLog;

/// Notes what it is told.
#[derive(Debug, Default)]
pub struct NotedStarts(Mutex<Vec<Noted>>);

/// What a start log was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// An attempt of the job at `place` runs in `slot`.
    Started {
        /// Where.
        slot: u32,
        /// Whose.
        place: u64,
    },
    /// Nothing runs in this slot.
    Ended(u32),
    /// The host ends on purpose.
    Stopped,
}

impl NotedStarts {
    /// Everything, in order.
    pub fn noted(&self) -> Vec<Noted> {
        self.lock().clone()
    }

    /// The place of the job that runs in each slot, as somebody would find it who comes after a host that was killed now.
    /// Empty where the host ended on purpose.
    pub fn running(&self) -> BTreeMap<u32, u64> {
        let mut running = BTreeMap::new();
        for noted in self.lock().iter() {
            match *noted {
                Noted::Started { slot, place } => drop(running.insert(slot, place)),
                Noted::Ended(slot) => drop(running.remove(&slot)),
                Noted::Stopped => return BTreeMap::new(),
            }
        }
        running
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Noted>> {
        // Only whole values are pushed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StartLog for NotedStarts {
    fn started(&self, slot: u32, place: u64) {
        self.lock().push(Noted::Started { slot, place });
    }

    fn ended(&self, slot: u32) {
        self.lock().push(Noted::Ended(slot));
    }

    fn stopped(&self) {
        self.lock().push(Noted::Stopped);
    }
}
