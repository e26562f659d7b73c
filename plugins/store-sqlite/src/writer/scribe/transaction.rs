//! One group, one transaction.

use std::slice;

use batchmill_core::{
    JournalError, Position, Status,
    fault::{self, Sabotage},
};
use rusqlite::Connection;

use super::{
    super::{
        Tables, Undone,
        group::superseded,
        request::{Amendment, Queued, Request},
        tables::OF_FIRST_RESULTS,
    },
    Keep, Scribe,
};

const BEGIN: &str = "BEGIN IMMEDIATE";
const COMMIT: &str = "COMMIT";
const INCARNATION: &str = "SELECT value FROM meta WHERE key = 'incarnation'";

/// Compiles what the first commit will need, which nobody waits for yet.
pub(super) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    let mut all = [BEGIN, INCARNATION, COMMIT].into_iter().chain(OF_FIRST_RESULTS);
    all.try_for_each(|sql| connection.prepare_cached(sql).map(drop))
}

/// Why a group was not written.
pub(super) enum Stop {
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
    /// Commits the requests of `group`, and says at which position each ended.
    pub(super) fn transaction(&mut self, group: &[Queued]) -> Result<Vec<Position>, Stop> {
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
        execute(BEGIN).map_err(|error| storage(&error))?;
        let owner = incarnation_of(connection).map_err(|error| storage(&error))?;
        if owner != *incarnation && !fault::breaks(Sabotage::SkipFence) {
            return Err(Stop::Fenced);
        }
        let puts = group.iter().any(|queued| matches!(queued.request, Request::Put(..)));
        let has_checkpoint = |job: &str| puts || threads.may_have(job);
        // Of a group only the last one of a new thread is left: there is nothing that it could replace.
        let replaces = |thread: &str| *keep == Keep::Latest && threads.may_have(thread);
        let tally = [0; Status::ALL.len()];
        let mut tables = Tables { connection, known, tally, has_checkpoint: &has_checkpoint };
        let mut positions = Vec::with_capacity(group.len());
        for (index, queued) in group.iter().enumerate() {
            let done = match &queued.request {
                Request::Append(entries, _) => tables.append(entries),
                Request::Put(..) if is_skipped(index) => Ok(Position(0)),
                Request::Put(put, _) if replaces(&put.thread) => tables.replace(put).map(|()| Position(0)),
                Request::Put(put, _) => tables.put(put).map(|()| Position(0)),
                Request::Forget(forget, _) => tables.forget(&forget.thread).map(|()| Position(0)),
                Request::Amend(Amendment::Manifest(manifest), _) => tables.amend(manifest).map(|()| Position(0)),
                Request::Amend(Amendment::Jobs(accepted), _) => tables.append(slice::from_ref(accepted)),
                Request::Pass(_) | Request::Compact(_) => Ok(Position(0)),
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
        execute(COMMIT).map_err(|error| storage(&error))?;
        fault::point("store.after-commit");
        Ok(positions)
    }
}

pub(super) fn incarnation_of(connection: &Connection) -> rusqlite::Result<i64> {
    let mut statement = connection.prepare_cached(INCARNATION)?;
    statement.query_row([], |row| row.get(0))
}
