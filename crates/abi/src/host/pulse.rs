//! Whether an instance is inside a call, without looking at a clock: one counter of calls begun, one of calls ended.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Of one instance.
#[derive(Debug)]
pub(super) struct Pulse {
    /// For people: `plugin deadline (scheduler deadline)`.
    pub(super) who: String,
    /// The plugin.
    pub(super) plugin: String,
    begun: AtomicU64,
    ended: AtomicU64,
    /// It did not answer; it is not called any more.
    pub(super) hung: AtomicBool,
}

impl Pulse {
    pub(super) fn new(plugin: &str, who: String) -> Self {
        let (begun, ended, hung) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        Self { who, plugin: plugin.to_owned(), begun, ended, hung }
    }

    /// A call begins, of an instance that one caller at a time has. Answers how many began before.
    pub(super) fn begin(&self) -> u64 {
        let before = self.begun.load(Ordering::Relaxed);
        self.begun.store(before + 1, Ordering::Relaxed);
        before
    }

    /// It ended.
    pub(super) fn end(&self) {
        self.ended.store(self.ended.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// The same for an instance that callers share.
    pub(super) fn begin_shared(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::Relaxed)
    }

    /// The same for an instance that callers share.
    pub(super) fn end_shared(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// How many calls ended, if one is running.
    pub(super) fn stuck_after(&self) -> Option<u64> {
        let ended = self.ended.load(Ordering::Relaxed);
        (self.begun.load(Ordering::Relaxed) > ended).then_some(ended)
    }
}
