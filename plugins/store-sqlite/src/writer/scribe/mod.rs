//! What the thread does: groups, ticks, and the end.

mod answers;
mod transaction;
mod upkeep;

use std::{
    fs::File,
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use batchmill_core::JournalError;
use rusqlite::{Connection, wal::CheckpointMode};

use self::{
    answers::{FENCED, fence, refuse},
    transaction::Stop,
};
use super::{
    Known, Shared, Threads,
    queue::Next,
    request::{Queued, Request},
    trouble::Ground,
};
use crate::{Durability, database, lock::Lock, slots::Slots};

/// How often it looks whether its files are still there, and syncs what is not synced yet.
const TICK: Duration = Duration::from_secs(1);

/// The write-ahead log is written back at so many pages: 4 MiB, some milliseconds.
const FRAMES: i32 = 1000;

/// Which checkpoints of a thread are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// The latest one.
    Latest,
    /// All of them.
    All,
}

/// Owns the connection that writes.
#[derive(Debug)]
pub(crate) struct Scribe {
    connection: Connection,
    ground: Ground,
    incarnation: i64,
    durability: Durability,
    keep: Keep,
    known: Known,
    threads: Arc<Threads>,
    /// Looked at, never let go: it is the batch's.
    lock: Option<Arc<Lock>>,
    slots: Option<Arc<Slots>>,
    /// The log, where it is synced by the tick.
    log: Option<File>,
    is_synced: bool,
    frames_next: i32,
    /// Checkpoints that found no room.
    parked: Vec<Queued>,
    broken: Option<JournalError>,
    /// Broken because another host owns the batch.
    is_fenced: bool,
}

impl Scribe {
    pub(crate) fn new(
        connection: Connection,
        ground: Ground,
        incarnation: i64,
        durability: Durability,
        keep: Keep,
    ) -> rusqlite::Result<Self> {
        // FULL syncs the log with every commit, NORMAL only before it is written back. What is written back, and when, is
        // decided here, so that a failed sync is heard of.
        let synchronous = if durability == Durability::Fsync { "FULL" } else { "NORMAL" };
        connection.execute_batch(&format!(
            "PRAGMA synchronous = {synchronous}; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -16384;
             PRAGMA journal_size_limit = 67108864"
        ))?;
        connection.set_prepared_statement_cache_capacity(32);
        transaction::prepare(&connection)?;
        let (known, threads) = (Known::load(&connection)?, Arc::new(Threads::load(&connection)?));
        let (lock, slots, log, broken) = (None, None, None, None);
        let (is_synced, is_fenced, frames_next) = (true, false, FRAMES);
        Ok(Self {
            connection,
            ground,
            incarnation,
            durability,
            keep,
            known,
            threads,
            lock,
            slots,
            log,
            is_synced,
            frames_next,
            parked: Vec::new(),
            broken,
            is_fenced,
        })
    }

    /// What else is watched.
    pub(crate) fn watching(mut self, lock: Arc<Lock>, slots: Arc<Slots>) -> Self {
        (self.lock, self.slots) = (Some(lock), Some(slots));
        self
    }

    pub(super) fn threads(&self) -> Arc<Threads> {
        Arc::clone(&self.threads)
    }

    pub(super) fn run(mut self, shared: &Shared) {
        // However this ends: nobody waits for an answer that does not come.
        let _closing = Closing(shared);
        let mut tick = Instant::now() + TICK;
        loop {
            match shared.queue.next(tick) {
                Next::Group(group) => self.write(group, shared),
                Next::Nothing => {}
                Next::End => break,
            }
            if Instant::now() >= tick {
                self.tick(shared);
                tick = Instant::now() + TICK;
            }
        }
        self.leave(shared);
    }

    fn write(&mut self, group: Vec<Queued>, shared: &Shared) {
        let mut parked = mem::take(&mut self.parked);
        parked.extend(group);
        let mut group = parked;
        let mut is_tight = false;
        while !group.is_empty() {
            if let Some(why) = &self.broken {
                return if self.is_fenced { fence(group) } else { refuse(group, why) };
            }
            match self.transaction(&group) {
                Ok(positions) => {
                    self.remember(&group);
                    self.answer(group, &positions, shared);
                    return self.write_back_if_long(shared);
                }
                Err(Stop::Refused { index, why }) => group.remove(index).request.refuse(&why),
                Err(Stop::Fenced) => {
                    self.give_up(shared);
                    return fence(group);
                }
                // What is written back makes room in the log, which may be all that is needed.
                Err(Stop::Storage(why)) if why.full && !is_tight => {
                    is_tight = true;
                    self.write_back(CheckpointMode::PASSIVE, shared);
                }
                Err(Stop::Storage(why)) if why.full => return self.wait_for_room(group, &why),
                Err(Stop::Storage(why)) => {
                    self.break_down(why.clone(), shared);
                    return refuse(group, &why);
                }
            }
        }
    }

    /// Who appends is told that there is no room, and tries again. Checkpoints wait here: their jobs run, and would fail.
    /// Jobs have few in flight, so what waits is bounded by the jobs that run.
    fn wait_for_room(&mut self, group: Vec<Queued>, why: &JournalError) {
        let waits =
            |queued: &Queued| matches!(queued.request, Request::Put(..) | Request::Forget(..) | Request::Pass(_));
        let (parked, told) = group.into_iter().partition(waits);
        self.parked = parked;
        for queued in &mut self.parked {
            // The queue has room for those who may be told.
            queued.room = None;
        }
        refuse(told, why);
    }

    /// Another host owns the batch.
    fn give_up(&mut self, shared: &Shared) {
        self.is_fenced = true;
        self.break_down(JournalError::new(FENCED), shared);
    }

    /// Nothing is written any more, not even the log back.
    fn break_down(&mut self, why: JournalError, shared: &Shared) {
        if let Err(error) = database::keep_log(&self.connection, self.ground.database(), true) {
            tracing::warn!(%error, "the log of the store may be written back when the store is closed");
        }
        // Who asked is told, and says it to people; this is for those who look closer.
        tracing::debug!(error = %why, "the store of the batch cannot be written to any more");
        shared.broken.send_replace(Some(why.clone()));
        refuse(mem::take(&mut self.parked), &why);
        self.broken = Some(why);
    }
}

/// Refuses what is still in the queue when the thread ends.
struct Closing<'a>(&'a Shared);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.queue.close();
        let why = self.0.broken.borrow().clone().unwrap_or_else(super::ended);
        while let Next::Group(group) = self.0.queue.next(Instant::now()) {
            refuse(group, &why);
        }
    }
}

#[cfg(test)]
mod tests;
