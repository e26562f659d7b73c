//! The log, the tick and the end.

use std::{fs::File, io, mem, time::Duration};

use batchmill_core::JournalError;
use rusqlite::{OptionalExtension, wal::CheckpointMode};

use super::{super::Shared, FRAMES, Scribe, answers::refuse, transaction::incarnation_of};
use crate::database;

impl Scribe {
    /// Writes the log back where it has become long.
    pub(super) fn write_back_if_long(&mut self, shared: &Shared) {
        let looked = self.connection.wal_checkpoint_v2(None::<&str>, CheckpointMode::NOOP);
        if looked.is_ok_and(|(frames, _)| frames >= self.frames_next) {
            self.write_back(CheckpointMode::PASSIVE, shared);
        }
    }

    pub(super) fn write_back(&mut self, mode: CheckpointMode, shared: &Shared) {
        match self.connection.wal_checkpoint_v2(None::<&str>, mode) {
            // What a reader still needs stays, and the log grows meanwhile: try again after as much more.
            Ok((frames, done)) => self.frames_next = if done < frames { frames + FRAMES } else { FRAMES },
            // The log holds everything; what does not fit into the file now fits later.
            Err(error) => {
                self.frames_next += FRAMES;
                self.fail(&error, shared);
            }
        }
    }

    /// Writes everything back and empties the log, unless a reader needs it: nobody waits for that.
    fn empty_log(&mut self, shared: &Shared) {
        let patience = |time| self.connection.busy_timeout(time);
        if patience(Duration::ZERO).is_ok() {
            self.write_back(CheckpointMode::TRUNCATE, shared);
        }
        if let Err(error) = self.connection.busy_timeout(database::PATIENCE) {
            self.fail(&error, shared);
        }
    }

    /// Something beside the groups failed: what does not pass by itself ends the writing.
    fn fail(&mut self, error: &rusqlite::Error, shared: &Shared) {
        let why = self.ground.judge(error);
        if why.full {
            tracing::debug!(%error, "the store puts off what it can");
        } else {
            self.break_down(why, shared);
        }
    }

    /// Gives back what is not needed any more: checkpoints of a batch whose jobs have all ended, the log, much free space.
    /// Where there is no room for that, it stays as it is.
    pub(super) fn compact(&mut self, shared: &Shared) -> Result<(), JournalError> {
        if let Err(error) = self.shrink() {
            self.fail(&error, shared);
        }
        if self.broken.is_none() {
            self.empty_log(shared);
        }
        self.broken.clone().map_or(Ok(()), Err)
    }

    fn shrink(&mut self) -> rusqlite::Result<()> {
        if !self.is_over()? {
            return Ok(());
        }
        self.connection.execute("DELETE FROM checkpoint", [])?;
        self.threads.clear();
        if self.is_hollow()? { self.connection.execute_batch("VACUUM") } else { Ok(()) }
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

    pub(super) fn tick(&mut self, shared: &Shared) {
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

    /// The end: everything is synced, and the log written back.
    pub(super) fn leave(mut self, shared: &Shared) {
        refuse(mem::take(&mut self.parked), &super::super::ended());
        if self.broken.is_none()
            && !self.is_synced
            && let Err(why) = self.sync()
        {
            self.break_down(why, shared);
        }
        if self.broken.is_none() {
            self.empty_log(shared);
        }
    }
}
