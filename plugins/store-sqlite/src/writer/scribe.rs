//! What the thread does: groups, ticks, and the end.

use std::{
    fs::File,
    io, mem, slice,
    sync::Arc,
    time::{Duration, Instant},
};

use batchmill_core::{
    CheckpointError, JournalAnswer, JournalError, Position, Status,
    fault::{self, Sabotage},
};
use rusqlite::{Connection, OptionalExtension, wal::CheckpointMode};

use super::{
    Known, Shared, Tables, Threads, Undone,
    group::superseded,
    queue::Next,
    request::{Amendment, Entry, Forget, Put, Queued, Request},
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

const FENCED: &str = "another host owns the batch now";

/// Why a group was not written.
enum Stop {
    /// One of its requests cannot be done.
    Refused {
        index: usize,
        why: JournalError,
    },
    /// Another host has taken the batch over.
    Fenced,
    Storage(JournalError),
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
        self.leave();
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

    /// Commits the requests of `group`, and says at which position each ended.
    fn transaction(&mut self, group: &[Queued]) -> Result<Vec<Position>, Stop> {
        self.ground.holds().map_err(Stop::Storage)?;
        if let Some(why) = self.slots.as_ref().and_then(|slots| slots.take_trouble()) {
            return Err(Stop::Storage(why));
        }
        self.known.begin();
        let done = self.statements(group);
        if done.is_err() {
            self.known.undo();
            // SQLite undoes by itself after most errors of the storage.
            if !self.connection.is_autocommit() {
                self.connection.execute_batch("ROLLBACK").map_err(|error| Stop::Storage(self.ground.judge(&error)))?;
            }
        }
        done
    }

    fn statements(&mut self, group: &[Queued]) -> Result<Vec<Position>, Stop> {
        let Self { connection, ground, known, threads, keep, incarnation, .. } = self;
        let storage = |error: &rusqlite::Error| Stop::Storage(ground.judge(error));
        let skip = if *keep == Keep::Latest { superseded(group) } else { Vec::new() };
        let is_skipped = |index: usize| skip.get(index).copied().unwrap_or(false);
        let execute = |sql| connection.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
        execute("BEGIN IMMEDIATE").map_err(|error| storage(&error))?;
        let owner = incarnation_of(connection).map_err(|error| storage(&error))?;
        if owner != *incarnation && !fault::breaks(Sabotage::SkipFence) {
            return Err(Stop::Fenced);
        }
        let puts = group.iter().any(|queued| matches!(queued.request, Request::Put(..)));
        let has_checkpoint = |job: &str| puts || threads.may_have(job);
        let tally = [0; Status::ALL.len()];
        let mut tables = Tables { connection, known, tally, has_checkpoint: &has_checkpoint };
        let mut positions = Vec::with_capacity(group.len());
        for (index, queued) in group.iter().enumerate() {
            let done = match &queued.request {
                Request::Append(entries, _) => tables.append(entries),
                Request::Put(put, _) if !is_skipped(index) => tables.put(put, *keep == Keep::All).map(|()| Position(0)),
                Request::Forget(forget, _) => tables.forget(&forget.thread).map(|()| Position(0)),
                Request::Amend(Amendment::Manifest(manifest), _) => tables.amend(manifest).map(|()| Position(0)),
                Request::Amend(Amendment::Jobs(accepted), _) => tables.append(slice::from_ref(accepted)),
                Request::Put(..) | Request::Pass(_) | Request::Compact(_) => Ok(Position(0)),
            };
            positions.push(done.map_err(|undone| match undone {
                Undone::Storage(error) => storage(&error),
                Undone::Refused(why) => Stop::Refused { index, why: JournalError::new(why) },
            })?);
        }
        match tables.finish() {
            Ok(()) => {}
            Err(Undone::Storage(error)) => return Err(storage(&error)),
            Err(Undone::Refused(why)) => return Err(Stop::Storage(JournalError::new(why))),
        }
        fault::point("store.before-commit");
        execute("COMMIT").map_err(|error| storage(&error))?;
        fault::point("store.after-commit");
        Ok(positions)
    }

    /// Which jobs have checkpoints from now on.
    fn remember(&mut self, group: &[Queued]) {
        self.is_synced = self.durability == Durability::Fsync;
        for queued in group {
            match &queued.request {
                Request::Put(put, _) => self.threads.insert(&put.thread),
                Request::Forget(forget, _) => self.threads.remove(&forget.thread),
                Request::Append(entries, _) => {
                    for entry in entries {
                        if let Entry::Ended(rows) = entry {
                            rows.results.iter().for_each(|result| self.threads.remove(result.job_id.as_str()));
                        }
                    }
                }
                Request::Pass(_) | Request::Amend(..) | Request::Compact(_) => {}
            }
        }
    }

    fn answer(&mut self, group: Vec<Queued>, positions: &[Position], shared: &Shared) {
        for (queued, position) in group.into_iter().zip(positions) {
            // Whoever asked may have gone meanwhile.
            match queued.request {
                Request::Append(_, answer) => drop(answer.send(Ok(JournalAnswer::Ok(*position)))),
                Request::Put(Put { flight, .. }, answer) | Request::Forget(Forget { flight, .. }, answer) => {
                    // What was answered is on its way no more.
                    drop(flight);
                    drop(answer.send(Ok(())));
                }
                Request::Pass(answer) => drop(answer.send(Ok(()))),
                Request::Amend(_, answer) => drop(answer.send(Ok(()))),
                Request::Compact(answer) => drop(answer.send(self.compact(shared))),
            }
        }
    }

    /// Writes the log back where it has become long.
    fn write_back_if_long(&mut self, shared: &Shared) {
        let looked = self.connection.wal_checkpoint_v2(None::<&str>, CheckpointMode::NOOP);
        if looked.is_ok_and(|(frames, _)| frames >= self.frames_next) {
            self.write_back(CheckpointMode::PASSIVE, shared);
        }
    }

    fn write_back(&mut self, mode: CheckpointMode, shared: &Shared) {
        match self.connection.wal_checkpoint_v2(None::<&str>, mode) {
            // What a reader still needs stays, and the log grows meanwhile: try again after as much more.
            Ok((frames, done)) => self.frames_next = if done < frames { frames + FRAMES } else { FRAMES },
            Err(error) => {
                let why = self.ground.judge(&error);
                self.frames_next += FRAMES;
                // The log holds everything; what does not fit into the file now fits later.
                if !why.full {
                    self.break_down(why, shared);
                }
            }
        }
    }

    /// Gives back what is not needed any more: checkpoints of a batch whose jobs have all ended, the log, much free space.
    fn compact(&mut self, shared: &Shared) -> Result<(), JournalError> {
        let is_over = self.is_over().map_err(|error| self.ground.judge(&error))?;
        if is_over {
            let cleared = self.connection.execute("DELETE FROM checkpoint", []);
            cleared.map_err(|error| self.ground.judge(&error))?;
            self.threads.clear();
            if self.is_hollow().map_err(|error| self.ground.judge(&error))? {
                self.connection.execute_batch("VACUUM").map_err(|error| self.ground.judge(&error))?;
            }
        }
        self.write_back(CheckpointMode::TRUNCATE, shared);
        self.broken.clone().map_or(Ok(()), Err)
    }

    /// Whether the batch was closed with a record of every job: nobody goes on from a checkpoint.
    fn is_over(&self) -> rusqlite::Result<bool> {
        let sql = "SELECT kind = 'closed' AND (SELECT total(jobs) FROM tally) >= (SELECT value FROM meta WHERE key = 'jobs') \
                   FROM event WHERE kind IN ('accepted', 'adopted', 'closed') ORDER BY position DESC LIMIT 1";
        let over = self.connection.query_row(sql, [], |row| row.get::<_, Option<bool>>(0)).optional()?;
        Ok(over.flatten().unwrap_or(false))
    }

    /// Whether more than a quarter of the file is free.
    fn is_hollow(&self) -> rusqlite::Result<bool> {
        let number = |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let free = number("freelist_count")?;
        Ok(free > 256 && free * 4 > number("page_count")?)
    }

    fn tick(&mut self, shared: &Shared) {
        if self.broken.is_some() {
            return;
        }
        // A read that fails says nothing about the next write.
        if incarnation_of(&self.connection).is_ok_and(|found| found != self.incarnation) {
            return self.give_up(shared);
        }
        let synced = if mem::replace(&mut self.is_synced, true) { Ok(()) } else { self.sync() };
        let checked = synced.and_then(|()| self.ground.holds_writable(self.lock.as_deref()));
        match checked {
            Ok(()) if !self.parked.is_empty() => self.write(Vec::new(), shared),
            Ok(()) => {}
            Err(why) => self.break_down(why, shared),
        }
    }

    /// Syncs the log. Nobody's locks hang on that file, so it may be opened beside SQLite.
    fn sync(&mut self) -> Result<(), JournalError> {
        let path = database::log_of(self.ground.database());
        let log = match self.log.take() {
            Some(log) => Ok(log),
            None => File::open(&path),
        };
        let synced: io::Result<()> = log.and_then(|log| {
            log.sync_data()?;
            self.log = Some(log);
            Ok(())
        });
        synced.map_err(|error| {
            JournalError::new(format!(
                "{}: a sync failed, so nobody knows what the disk has kept ({error}): nothing is written to it any more; \
                 check the disk, then `batchmill resume`",
                path.display()
            ))
        })
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
        tracing::error!(error = %why, "the store of the batch cannot be written to any more");
        shared.broken.send_replace(Some(why.clone()));
        refuse(mem::take(&mut self.parked), &why);
        self.broken = Some(why);
    }

    /// The end: everything is synced, and the log written back.
    fn leave(mut self) {
        refuse(mem::take(&mut self.parked), &super::ended());
        if self.broken.is_some() {
            return;
        }
        if !self.is_synced
            && let Err(error) = self.sync()
        {
            tracing::error!(error = %error, "the last results may not survive a loss of power");
        }
        // Whatever keeps it from being written back, the log has everything.
        if let Err(error) = self.connection.wal_checkpoint_v2(None::<&str>, CheckpointMode::TRUNCATE) {
            tracing::debug!(%error, "the log of the store stays");
        }
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

fn incarnation_of(connection: &Connection) -> rusqlite::Result<i64> {
    let mut statement = connection.prepare_cached("SELECT value FROM meta WHERE key = 'incarnation'")?;
    statement.query_row([], |row| row.get(0))
}

fn refuse(group: Vec<Queued>, why: &JournalError) {
    group.into_iter().for_each(|queued| queued.request.refuse(why));
}

/// Answers a group that another owner keeps from being written.
fn fence(group: Vec<Queued>) {
    let why = JournalError::new(FENCED);
    for queued in group {
        match queued.request {
            Request::Append(_, answer) => drop(answer.send(Ok(JournalAnswer::Fenced))),
            Request::Put(_, answer) | Request::Forget(_, answer) | Request::Pass(answer) => {
                drop(answer.send(Err(CheckpointError::new(why.message.clone()))));
            }
            other => other.refuse(&why),
        }
    }
}

#[cfg(test)]
mod tests;
