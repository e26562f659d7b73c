//! The index of the batches in a state directory. The folders are the truth; this answers without opening each.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use batchmill_core::{BatchId, WallTime};
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use crate::{Listed, NewBatch, Standing, StoreError, database, error::At, schema::CATALOGUE};

const FILE: &str = "catalogue.db";

/// The version since which the table of batches is as it is.
const BATCHES_SINCE: i32 = 1;

/// The file `catalogue.db`. Every call opens it: they are few.
#[derive(Debug, Clone)]
pub(crate) struct Catalogue {
    path: PathBuf,
}

impl Catalogue {
    pub(crate) fn at(root: &Path) -> Self {
        Self { path: root.join(FILE) }
    }

    /// Makes the file if it is not there, whoever else does the same.
    pub(crate) fn make(&self) -> Result<(), StoreError> {
        if self.path.try_exists().at(&self.path)? {
            return Ok(());
        }
        let draft = self.path.with_extension(format!("{}.new", std::process::id()));
        let _ = fs::remove_file(&draft);
        drop(database::make(&draft, &CATALOGUE)?);
        let linked = fs::hard_link(&draft, &self.path);
        let removed = fs::remove_file(&draft);
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(StoreError::io(&self.path, &error)),
            _ => removed.at(&draft),
        }
    }

    /// Every batch that it knows, the newest first. None where it is not there.
    pub(crate) fn list(&self) -> Result<Vec<Listed>, StoreError> {
        if !self.path.try_exists().at(&self.path)? {
            return Ok(Vec::new());
        }
        let connection = database::read_since(BATCHES_SINCE, &self.path, &CATALOGUE).map_err(damaged)?;
        let mut statement = connection.prepare(SELECT).at(&self.path)?;
        let rows = statement.query_map([], listed).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        rows.at(&self.path).map_err(damaged)
    }

    /// Adds a batch that `make` makes and `unmake` takes back: both or neither. `None` where its id or name is taken.
    pub(crate) fn add_with<T>(
        &self,
        new: &NewBatch,
        make: impl FnOnce() -> Result<T, StoreError>,
        unmake: impl FnOnce(T),
    ) -> Result<Option<T>, StoreError> {
        let mut connection = self.open()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).at(&self.path)?;
        if is_taken(&transaction, new).at(&self.path)? {
            return Ok(None);
        }
        match insert(&transaction, &Listed::of_new(new), "INSERT") {
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) => {
                return Ok(None);
            }
            inserted => inserted.at(&self.path)?,
        };
        let made = make()?;
        match transaction.commit() {
            Ok(()) => Ok(Some(made)),
            Err(error) => {
                unmake(made);
                Err(StoreError::sql(&self.path, &error))
            }
        }
    }

    /// Writes down what the folders say.
    pub(crate) fn mend(&self, found: &[Listed], gone: &[BatchId]) -> Result<(), StoreError> {
        if found.is_empty() && gone.is_empty() {
            return Ok(());
        }
        let mut connection = self.open()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).at(&self.path)?;
        for batch in found {
            // A name that is taken meanwhile is not worth more than the batch.
            let nameless = Listed { name: None, ..batch.clone() };
            if insert(&transaction, batch, "INSERT OR IGNORE").at(&self.path)? == 0 {
                insert(&transaction, &nameless, "INSERT OR IGNORE").at(&self.path)?;
            }
        }
        for id in gone {
            transaction.execute("DELETE FROM batch WHERE id = ?1", [id.as_str()]).at(&self.path)?;
        }
        transaction.commit().at(&self.path)
    }

    pub(crate) fn set_standing(
        &self,
        id: &BatchId,
        standing: Standing,
        ended: Option<WallTime>,
        jobs: u64,
    ) -> Result<(), StoreError> {
        let parameters = params![id.as_str(), standing.as_str(), ended.map(WallTime::as_micros), jobs];
        let sql = "UPDATE batch SET standing = ?2, ended = ?3, jobs = ?4 WHERE id = ?1";
        self.open()?.execute(sql, parameters).map(drop).at(&self.path)
    }

    pub(crate) fn latest_of(&self, source: &str) -> Result<Option<Listed>, StoreError> {
        if !self.path.try_exists().at(&self.path)? {
            return Ok(None);
        }
        let connection = database::read_since(BATCHES_SINCE, &self.path, &CATALOGUE).map_err(damaged)?;
        let sql = format!("{COLUMNS} WHERE source = ?1 ORDER BY created DESC, rowid DESC LIMIT 1");
        connection.query_row(&sql, [source], listed).optional().at(&self.path).map_err(damaged)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it to write; one of an earlier version is brought up to date.
    pub(crate) fn open(&self) -> Result<Connection, StoreError> {
        let mut connection = database::open(&self.path, &CATALOGUE).map_err(damaged)?;
        // It can be made again: what a loss of power takes of it is found in the folders.
        connection.execute_batch("PRAGMA synchronous = NORMAL").at(&self.path)?;
        CATALOGUE.bring_up(&mut connection, &self.path)?;
        Ok(connection)
    }
}

const COLUMNS: &str = "SELECT id, name, flow, source, standing, jobs, created, ended, parent, generation FROM batch";
const SELECT: &str = "SELECT id, name, flow, source, standing, jobs, created, ended, parent, generation FROM batch \
    ORDER BY created DESC, rowid DESC";

/// Names and ids are one space: each is what a person calls a batch by.
fn is_taken(connection: &Connection, new: &NewBatch) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM batch WHERE id IN (?1, ?2) OR name IN (?1, ?2)";
    connection.prepare(sql)?.exists(params![new.id.as_str(), new.name])
}

fn insert(connection: &Connection, batch: &Listed, verb: &str) -> rusqlite::Result<usize> {
    connection.execute(
        &format!("{verb} INTO batch VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"),
        params![
            batch.id.as_str(),
            batch.name,
            batch.flow,
            batch.source,
            batch.standing.as_str(),
            batch.jobs,
            batch.created.as_micros(),
            batch.ended.map(WallTime::as_micros),
            batch.parent.as_ref().map(BatchId::as_str),
            batch.generation,
        ],
    )
}

fn listed(row: &Row<'_>) -> rusqlite::Result<Listed> {
    let id = |text: String| BatchId::new(text).map_err(|error| conversion(error.into()));
    let standing: String = row.get(4)?;
    let parent: Option<String> = row.get(8)?;
    Ok(Listed {
        id: id(row.get(0)?)?,
        name: row.get(1)?,
        flow: row.get(2)?,
        source: row.get(3)?,
        standing: Standing::parse(&standing).ok_or_else(|| conversion(format!("standing `{standing}`").into()))?,
        jobs: row.get(5)?,
        created: WallTime::from_micros(row.get(6)?),
        ended: row.get::<_, Option<i64>>(7)?.map(WallTime::from_micros),
        parent: parent.map(id).transpose()?,
        generation: row.get(9)?,
        owner: None,
    })
}

fn conversion(error: Box<dyn std::error::Error + Send + Sync>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error)
}

/// A broken catalogue has another mend than a broken batch.
fn damaged(error: StoreError) -> StoreError {
    match error {
        StoreError::Corrupt { path, reason } => StoreError::CorruptCatalogue { path, reason },
        other => other,
    }
}
