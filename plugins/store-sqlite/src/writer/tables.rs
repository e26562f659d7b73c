//! What one request changes in the tables. Nothing here decides when, or commits.

use std::collections::HashMap;

use batchmill_core::{
    Closing, Delivered, JobResult, JournalEvent, Position, Setback, Status, Tenant, Verdict, WallTime,
};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use super::request::{Entry, Put};
use crate::rows::{self, RowAt, Rows};

const CLASS: &str = "INSERT INTO class(tenant, priority) VALUES (?1, ?2)";
const TALLY: &str = "INSERT INTO tally VALUES (?1, ?2) ON CONFLICT(status) DO UPDATE SET jobs = jobs + excluded.jobs";

/// What the first results of a batch need. To compile it takes as long as half a commit, so it is done before they come.
pub(crate) const OF_FIRST_RESULTS: [&str; 3] = [rows::INSERT, CLASS, TALLY];

/// Why a request was not done.
#[derive(Debug)]
pub(crate) enum Undone {
    /// The storage.
    Storage(rusqlite::Error),
    /// The request itself: it would break a promise of the journal.
    Refused(String),
}

impl From<rusqlite::Error> for Undone {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error)
    }
}

impl From<serde_json::Error> for Undone {
    fn from(error: serde_json::Error) -> Self {
        Self::Refused(format!("an event cannot be written: {error}"))
    }
}

/// What the writer knows without asking. Belongs to the last commit, or to the transaction that is open.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) accepted: WallTime,
    /// The last position that is taken.
    pub(crate) position: i64,
    /// Tenants and priorities that have a number.
    pub(crate) classes: HashMap<(Tenant, u8), i64>,
    /// Rows of `setback`: where there are none, no record deletes one.
    pub(crate) setbacks: i64,
    /// What the open transaction has changed of it.
    undo: Undo,
}

#[derive(Debug, Default)]
struct Undo {
    position: i64,
    setbacks: i64,
    classes: Vec<(Tenant, u8)>,
}

impl Known {
    pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
        let position = number(
            "SELECT max(p) FROM (SELECT max(position) AS p FROM record UNION ALL SELECT max(position) FROM event \
             UNION ALL SELECT max(position) FROM setback UNION ALL SELECT max(position) FROM crash \
             UNION ALL SELECT max(position) FROM delivery)",
        )?;
        let accepted = number("SELECT max(value) FROM meta WHERE key = 'accepted'")?;
        let mut statement = connection.prepare("SELECT tenant, priority, id FROM class")?;
        let classes = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?)))?;
        let mut known = Self {
            accepted: WallTime::from_micros(accepted.unwrap_or(0)),
            position: position.unwrap_or(0),
            classes: HashMap::new(),
            setbacks: number("SELECT count(*) FROM setback")?.unwrap_or(0),
            undo: Undo::default(),
        };
        for class in classes {
            let (tenant, priority, id) = class?;
            let tenant = Tenant::new(&tenant).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
            known.classes.insert((tenant, priority), id);
        }
        Ok(known)
    }

    /// A transaction begins.
    pub(crate) fn begin(&mut self) {
        self.undo = Undo { position: self.position, setbacks: self.setbacks, classes: Vec::new() };
    }

    /// It was undone.
    pub(crate) fn undo(&mut self) {
        let Undo { position, setbacks, classes } = std::mem::take(&mut self.undo);
        (self.position, self.setbacks) = (position, setbacks);
        for class in classes {
            self.classes.remove(&class);
        }
    }
}

/// One transaction.
pub(crate) struct Tables<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) known: &'a mut Known,
    /// How many results of each status it has recorded.
    pub(crate) tally: [i64; Status::ALL.len()],
    /// Whether a job may have a checkpoint that ends with it.
    pub(crate) has_checkpoint: &'a dyn Fn(&str) -> bool,
}

impl Tables<'_> {
    pub(crate) fn append(&mut self, entries: &[Entry]) -> Result<Position, Undone> {
        for entry in entries {
            match entry {
                Entry::Ended(rows) => self.ended(rows)?,
                Entry::Other(event) => self.event(event)?,
            }
        }
        Ok(Position(u64::try_from(self.known.position).unwrap_or(0)))
    }

    fn ended(&mut self, rows: &Rows) -> Result<(), Undone> {
        let connection = self.connection;
        let mut insert = connection.prepare_cached(rows::INSERT)?;
        for (index, result) in rows.results.iter().enumerate() {
            let class = self.class(result)?;
            let at = RowAt { position: self.next(), class, accepted: self.known.accepted };
            rows.insert(index, &mut insert, at).map_err(|error| twice(error, result))?;
            self.tally[usize::try_from(rows::code(result.status)).unwrap_or(0)] += 1;
            self.forget_waits(result)?;
        }
        Ok(())
    }

    /// What was kept for the job to go on from ends with it.
    fn forget_waits(&mut self, result: &JobResult) -> Result<(), Undone> {
        if self.known.setbacks > 0 {
            let mut delete = self.connection.prepare_cached("DELETE FROM setback WHERE place = ?1")?;
            self.known.setbacks -= i64::try_from(delete.execute([result.sequence])?).unwrap_or(0);
        }
        if (self.has_checkpoint)(result.job_id.as_str()) {
            self.forget(result.job_id.as_str())?;
        }
        Ok(())
    }

    fn class(&mut self, result: &JobResult) -> Result<i64, Undone> {
        // The pairs are few, and the default tenant is cloned for nothing.
        let key = (result.tenant.clone(), result.priority.0);
        if let Some(id) = self.known.classes.get(&key) {
            return Ok(*id);
        }
        let mut insert = self.connection.prepare_cached(CLASS)?;
        let id = insert.insert(params![key.0.as_str(), key.1])?;
        self.known.undo.classes.push(key.clone());
        self.known.classes.insert(key, id);
        Ok(id)
    }

    fn event(&mut self, event: &JournalEvent) -> Result<(), Undone> {
        match event {
            JournalEvent::Accepted { jobs, content, at } => self.accepted(*jobs, content, *at),
            JournalEvent::Ended(_) => Err(Undone::Refused("results are recorded as rows".to_owned())),
            JournalEvent::Retrying(setback) => self.retrying(setback),
            JournalEvent::Lost { place, crashes, at } => self.lost(*place, *crashes, *at),
            JournalEvent::Closing(closing) => self.closing(closing),
            JournalEvent::Paused(pause) => self.note("paused", crate::clock::now(), pause),
            JournalEvent::Delivered(delivered) => self.delivered(delivered),
            JournalEvent::Closed { verdict, at } => self.closed(verdict, *at),
            other => Err(Undone::Refused(format!("this store cannot record {other:?}"))),
        }
    }

    /// More jobs than at first, or others: the batch has those that were accepted last.
    fn accepted(&mut self, jobs: u64, content: &str, at: WallTime) -> Result<(), Undone> {
        self.note("accepted", at, &serde_json::json!({"jobs": jobs, "content": content}))?;
        let mut update = self.connection.prepare_cached("UPDATE meta SET value = ?2 WHERE key = ?1")?;
        update.execute(params!["jobs", jobs])?;
        update.execute(params!["content", content])?;
        Ok(())
    }

    fn closing(&mut self, closing: &Closing) -> Result<(), Undone> {
        self.note("closing", crate::clock::now(), closing)
    }

    fn closed(&mut self, verdict: &Verdict, at: WallTime) -> Result<(), Undone> {
        self.note("closed", at, verdict)
    }

    /// What happened to the batch as a whole.
    pub(crate) fn note(&mut self, kind: &str, at: WallTime, body: &impl Serialize) -> Result<(), Undone> {
        let (position, body) = (self.next(), serde_json::to_string(body)?);
        let mut insert = self.connection.prepare_cached("INSERT INTO event VALUES (?1, ?2, ?3, ?4)")?;
        insert.execute(params![position, kind, at.as_micros(), body])?;
        Ok(())
    }

    fn retrying(&mut self, setback: &Setback) -> Result<(), Undone> {
        let (connection, position) = (self.connection, self.next());
        let mut ended = connection.prepare_cached("SELECT 1 FROM record WHERE place = ?1")?;
        if ended.exists([setback.place])? {
            return Err(Undone::Refused(format!("the job at place {} has ended: it cannot run again", setback.place)));
        }
        let mut delete = connection.prepare_cached("DELETE FROM setback WHERE place = ?1")?;
        self.known.setbacks += 1 - i64::try_from(delete.execute([setback.place])?).unwrap_or(0);
        let mut insert = connection.prepare_cached("INSERT INTO setback VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
        insert.execute(params![
            position,
            setback.place,
            setback.attempts,
            setback.first_started.as_micros(),
            setback.due.as_micros(),
            serde_json::to_string(&setback.failures)?,
            serde_json::to_string(&setback.history)?,
            serde_json::to_string(&setback.given_up)?,
        ])?;
        Ok(())
    }

    pub(crate) fn lost(&mut self, place: u64, crashes: u32, at: WallTime) -> Result<(), Undone> {
        let position = self.next();
        let mut insert = self.connection.prepare_cached("INSERT OR REPLACE INTO crash VALUES (?1, ?2, ?3, ?4)")?;
        insert.execute(params![position, place, crashes, at.as_micros()])?;
        Ok(())
    }

    fn delivered(&mut self, delivered: &Delivered) -> Result<(), Undone> {
        let position = self.next();
        let mut insert = self.connection.prepare_cached("INSERT OR REPLACE INTO delivery VALUES (?1, ?2, ?3, ?4)")?;
        insert.execute(params![delivered.sink, position, delivered.upto.0, delivered.mark])?;
        Ok(())
    }

    /// Keeps a checkpoint beside those of its thread.
    pub(crate) fn put(&mut self, put: &Put) -> Result<(), Undone> {
        let mut insert = self.connection.prepare_cached("INSERT OR REPLACE INTO checkpoint VALUES (?1, ?2, ?3)")?;
        insert.execute(params![&*put.thread, sortable(put.id.0), put.body])?;
        Ok(())
    }

    /// Keeps a checkpoint instead of an earlier one of its thread, if there is none that is later.
    pub(crate) fn replace(&mut self, put: &Put) -> Result<(), Undone> {
        let mut newest = self.connection.prepare_cached("SELECT id FROM checkpoint WHERE thread = ?1")?;
        let newest: Option<i64> = newest.query_row([&*put.thread], |row| row.get(0)).optional()?;
        match newest {
            Some(newest) if newest > sortable(put.id.0) => Ok(()),
            Some(_) => {
                let sql = "UPDATE checkpoint SET id = ?2, body = ?3 WHERE thread = ?1";
                let mut update = self.connection.prepare_cached(sql)?;
                update.execute(params![&*put.thread, sortable(put.id.0), put.body])?;
                Ok(())
            }
            None => self.put(put),
        }
    }

    pub(crate) fn forget(&mut self, thread: &str) -> Result<(), Undone> {
        self.connection.prepare_cached("DELETE FROM checkpoint WHERE thread = ?1")?.execute([thread])?;
        Ok(())
    }

    pub(crate) fn amend(&mut self, manifest: &str) -> Result<(), Undone> {
        self.note("amended", crate::clock::now(), &())?;
        let mut update = self.connection.prepare_cached("UPDATE meta SET value = ?1 WHERE key = 'manifest'")?;
        update.execute([manifest])?;
        Ok(())
    }

    /// What concerns the transaction as a whole, last.
    pub(crate) fn finish(&mut self) -> Result<(), Undone> {
        for (status, jobs) in (0_i64..).zip(self.tally).filter(|(_, jobs)| *jobs > 0) {
            let mut add = self.connection.prepare_cached(TALLY)?;
            add.execute([status, jobs])?;
        }
        Ok(())
    }

    fn next(&mut self) -> i64 {
        self.known.position += 1;
        self.known.position
    }
}

/// A number that sorts as a signed one like `id` as an unsigned one.
pub(crate) fn sortable(id: u64) -> i64 {
    (id ^ (1 << 63)).cast_signed()
}

/// The inverse of [`sortable`].
pub(crate) fn unsorted(id: i64) -> u64 {
    id.cast_unsigned() ^ (1 << 63)
}

/// A second record of a job is refused; everything else is the storage's.
fn twice(error: rusqlite::Error, result: &JobResult) -> Undone {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::ConstraintViolation) => Undone::Refused(format!(
            "the job `{}` (place {}) has a record already: a second one is refused",
            result.job_id, result.sequence
        )),
        _ => Undone::Storage(error),
    }
}
