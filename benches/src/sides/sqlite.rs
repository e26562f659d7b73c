//! SQLite alone: the very rows that Batchmill writes, into the same tables, by the same library, with the same promise. No
//! flow runs, nothing is scheduled, nobody is told.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, params, types::Value};

use super::scratch;
use crate::measure::{Sample, Stopwatch};

/// The table of ends: `position` and `place` count, `job_id` is the number of the line.
const RECORD: &str = "record";

/// What a batch has written.
#[derive(Debug)]
pub(crate) struct Rows {
    page_size: i64,
    /// Tables and indexes.
    schema: Vec<String>,
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

impl Rows {
    /// Reads the database of a batch.
    pub(crate) fn of(database: &Path) -> Result<Self, String> {
        read(database).map_err(|error| format!("{}: {error}", database.display()))
    }

    /// Inserts the ends of so many jobs into a new database, so many a transaction.
    pub(crate) fn insert(&self, jobs: u32, at_once: u32) -> Result<Sample, String> {
        let folder = scratch()?;
        let path = folder.path().join("rows.db");
        let measure = || -> rusqlite::Result<Result<Sample, String>> {
            let mut connection = self.empty(&path)?;
            let ids: Vec<String> = (1..=jobs).map(|job| job.to_string()).collect();
            let stopwatch = Stopwatch::start();
            for (group, ids) in ids.chunks(at_once as usize).enumerate() {
                self.commit(&mut connection, group * at_once as usize, ids)?;
            }
            let sample = stopwatch.seconds(jobs);
            Ok(if recorded(&connection)? == u64::from(jobs) { Ok(sample) } else { Err("rows are missing".to_owned()) })
        };
        let measured = measure().map_err(|error| format!("{}: {error}", path.display()))?;
        measured.map(|sample| sample.into_rate(jobs))
    }

    fn empty(&self, path: &Path) -> rusqlite::Result<Connection> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "page_size", self.page_size)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        self.schema.iter().try_for_each(|statement| connection.execute_batch(statement))?;
        Ok(connection)
    }

    fn commit(&self, connection: &mut Connection, before: usize, ids: &[String]) -> rusqlite::Result<()> {
        let transaction = connection.transaction()?;
        let marks = vec!["?"; self.columns.len()].join(", ");
        let mut insert = transaction.prepare_cached(&format!("INSERT INTO {RECORD} VALUES ({marks})"))?;
        for (place, id) in (before..).zip(ids) {
            let row = &self.rows[place % self.rows.len()];
            for (index, (column, value)) in (1..).zip(self.columns.iter().zip(row)) {
                match column.as_str() {
                    "position" => insert.raw_bind_parameter(index, place + 1)?,
                    "place" => insert.raw_bind_parameter(index, place)?,
                    "job_id" => insert.raw_bind_parameter(index, id)?,
                    _ => insert.raw_bind_parameter(index, value)?,
                }
            }
            insert.raw_execute()?;
        }
        drop(insert);
        transaction.commit()
    }
}

fn read(database: &Path) -> rusqlite::Result<Rows> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let objects = "SELECT sql FROM sqlite_schema WHERE type IN ('table', 'index') AND sql IS NOT NULL ORDER BY rowid";
    let schema = connection.prepare(objects)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut select = connection.prepare(&format!("SELECT * FROM {RECORD} ORDER BY position"))?;
    let columns: Vec<String> = select.column_names().map(str::to_owned).collect();
    let count = columns.len();
    let rows = select.query_map(params![], |row| (0..count).map(|index| row.get(index)).collect::<Result<_, _>>())?;
    let rows = rows.collect::<Result<Vec<Vec<Value>>, _>>()?;
    let page_size = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    if rows.is_empty() {
        Err(rusqlite::Error::QueryReturnedNoRows)
    } else {
        Ok(Rows { page_size, schema, columns, rows })
    }
}

/// How many jobs the database of a batch knows the end of.
pub(crate) fn ended(database: &Path) -> Result<u64, String> {
    let count =
        Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).and_then(|open| recorded(&open));
    count.map_err(|error| format!("{}: {error}", database.display()))
}

fn recorded(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row(&format!("SELECT count(*) FROM {RECORD}"), [], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_batch_are_written_again_as_often_as_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("batch.db");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(
                "CREATE TABLE record(position INTEGER PRIMARY KEY, place INTEGER UNIQUE, job_id TEXT, output TEXT) STRICT;
                 CREATE INDEX by_id ON record(job_id);
                 INSERT INTO record VALUES (4, 0, '1', 'a'), (5, 1, '2', NULL)",
            )
            .unwrap();
        assert_eq!(ended(&path).unwrap(), 2);
        let rows = Rows::of(&path).unwrap();
        assert_eq!((rows.schema.len(), rows.columns.len(), rows.rows.len()), (2, 4, 2));
        for at_once in [1, 3, 256] {
            assert!(rows.insert(7, at_once).is_ok(), "{at_once}");
        }
    }

    #[test]
    fn a_batch_without_an_end_is_no_model() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("batch.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE record(position INTEGER)").unwrap();
        assert!(Rows::of(&path).is_err() && Rows::of(&folder.path().join("none")).is_err());
    }
}
