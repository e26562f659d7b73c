//! The lock around all that is decided: who waits for it, and who leaves word instead.
//!
//! It is held for some microseconds, thousands of times a millisecond. To sleep until it is free takes longer than that, and to be
//! woken costs whoever lets it go: so one who needs it looks again for a while before it sleeps. And who only has something to
//! say, as the answer to records, does not wait at all: it leaves the word, which whoever holds the lock takes in before it
//! lets go.

use std::{
    hint::spin_loop,
    ops::{Deref, DerefMut},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, Ordering, fence},
    },
};

use batchmill_dispatch::Event;

use crate::Workload;

use super::{Shared, brain::Brain};

/// How often one looks whether the lock is free before it sleeps, and how long it pauses between: some 20 µs in all, which is
/// what a sleep and a call cost together.
const LOOKS: u32 = 100;
const PAUSES: u32 = 16;

/// The brain behind its lock, and words that were left for it. On cache lines of its own: what stands beside it is read for every
/// attempt.
#[repr(align(128))]
pub(super) struct Guarded<W: Workload> {
    brain: Mutex<Brain<W>>,
    /// Bounded by the records that are unanswered: each word answers some.
    words: Mutex<Vec<Event>>,
    has_words: AtomicBool,
    /// With one processor, whoever holds the lock does not go on while another looks.
    looks: u32,
}

impl<W: Workload> Guarded<W> {
    pub(super) fn new(brain: Brain<W>, threads: usize) -> Self {
        let looks = if threads > 1 { LOOKS } else { 0 };
        Self { brain: Mutex::new(brain), words: Mutex::default(), has_words: AtomicBool::new(false), looks }
    }

    fn wait(&self) -> MutexGuard<'_, Brain<W>> {
        for _ in 0..self.looks {
            if let Some(brain) = self.get() {
                return brain;
            }
            (0..PAUSES).for_each(|_| spin_loop());
        }
        // Decisions that panic are caught inside; whatever else may panic leaves whole values behind.
        self.brain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// If nobody has it.
    fn get(&self) -> Option<MutexGuard<'_, Brain<W>>> {
        match self.brain.try_lock() {
            Ok(brain) => Some(brain),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn leave(&self, word: Event) {
        self.words.lock().unwrap_or_else(PoisonError::into_inner).push(word);
        self.has_words.store(true, Ordering::Relaxed);
    }

    fn take_words(&self) -> Vec<Event> {
        if !self.has_words.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let mut words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        self.has_words.store(false, Ordering::Relaxed);
        std::mem::take(&mut words)
    }
}

/// The brain, for as long as this is held.
pub(super) struct Locked<'a, W: Workload> {
    shared: &'a Arc<Shared<W>>,
    /// Always there, until this is dropped.
    brain: Option<MutexGuard<'a, Brain<W>>>,
}

impl<W: Workload> Shared<W> {
    pub(super) fn lock(self: &Arc<Self>) -> Locked<'_, W> {
        Locked { shared: self, brain: Some(self.brain.wait()) }
    }

    /// Has an event taken soon: by whoever has the lock, or here.
    pub(super) fn leave_word(self: &Arc<Self>, word: Event) {
        self.brain.leave(word);
        // With that in `drop`: either the holder sees the word, or this sees that there is no holder.
        fence(Ordering::SeqCst);
        if let Some(brain) = self.brain.get() {
            drop(Locked { shared: self, brain: Some(brain) });
        }
    }
}

const HELD: &str = "it is held until this is dropped";

impl<W: Workload> Deref for Locked<'_, W> {
    type Target = Brain<W>;
    fn deref(&self) -> &Brain<W> {
        self.brain.as_ref().expect(HELD)
    }
}

impl<W: Workload> DerefMut for Locked<'_, W> {
    fn deref_mut(&mut self) -> &mut Brain<W> {
        self.brain.as_mut().expect(HELD)
    }
}

impl<W: Workload> Drop for Locked<'_, W> {
    fn drop(&mut self) {
        let guarded = &self.shared.brain;
        while let Some(mut brain) = self.brain.take() {
            for word in guarded.take_words() {
                brain.take(self.shared, word);
            }
            drop(brain);
            fence(Ordering::SeqCst);
            // A word that came since: whoever has the lock by now takes it in.
            if guarded.has_words.load(Ordering::Relaxed) {
                self.brain = guarded.get();
            }
        }
    }
}
