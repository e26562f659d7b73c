//! Formats of databases: whose a file is, which version it has, and how it comes to the latest.

use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::{StoreError, error::At};

/// What a kind of database is made of.
#[derive(Debug)]
pub(crate) struct Format {
    /// SQLite's `application_id`: says whose file it is.
    pub(crate) application: i32,
    /// Step `n` leads from version `n` to `n + 1`; 0 is the empty database. The number of steps is the latest version.
    pub(crate) steps: &'static [&'static str],
}

/// A batch (`Bmb` and 1).
pub(crate) const BATCH: Format = Format { application: 0x426d_6201, steps: &[include_str!("schema.sql")] };

/// The catalogue (`Bmc` and 1).
pub(crate) const CATALOGUE: Format =
    Format { application: 0x426d_6301, steps: &[include_str!("catalogue.sql"), include_str!("usage.sql")] };

/// What the header of a database says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    application: i32,
    version: i32,
}

impl Format {
    pub(crate) fn latest(&self) -> i32 {
        i32::try_from(self.steps.len()).unwrap_or(i32::MAX)
    }

    /// Refuses what is not of this format, or later than this program.
    pub(crate) fn check(&self, header: Header, path: &Path) -> Result<(), StoreError> {
        if header.application != self.application {
            return Err(StoreError::Foreign { path: path.to_path_buf() });
        }
        if header.version > self.latest() {
            let (found, known) = (header.version, self.latest());
            return Err(StoreError::Newer { path: path.to_path_buf(), found, known });
        }
        Ok(())
    }

    /// Refuses also what a version before `first` wrote: for those who only read.
    pub(crate) fn check_since(&self, first: i32, header: Header, path: &Path) -> Result<(), StoreError> {
        self.check(header, path)?;
        if header.version < first {
            let (found, known) = (header.version, self.latest());
            return Err(StoreError::Older { path: path.to_path_buf(), found, known });
        }
        Ok(())
    }

    /// Brings a database to the latest version, if it is not there.
    pub(crate) fn bring_up(&self, connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
        let is_latest = header(connection).at(path)?.version == self.latest();
        if is_latest { Ok(()) } else { self.migrate(connection, path) }
    }

    /// Makes an empty database one of this format.
    pub(crate) fn make(&self, connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
        connection.pragma_update(None, "application_id", self.application).at(path)?;
        self.migrate(connection, path)
    }

    /// Brings a database that was checked to the latest version: all steps or none.
    pub(crate) fn migrate(&self, connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).at(path)?;
        let found = header(&transaction).at(path)?.version;
        if found < self.latest() {
            self.steps_from(found, &transaction).at(path)?;
        }
        transaction.commit().at(path)
    }

    fn steps_from(&self, version: i32, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        for step in self.steps.iter().skip(usize::try_from(version).unwrap_or(0)) {
            transaction.execute_batch(step)?;
        }
        transaction.pragma_update(None, "user_version", self.latest())
    }
}

pub(crate) fn header(connection: &Connection) -> rusqlite::Result<Header> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get(0));
    Ok(Header { application: number("application_id")?, version: number("user_version")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROWN: Format = Format {
        application: 7,
        steps: &["CREATE TABLE a(x)", "ALTER TABLE a ADD COLUMN y DEFAULT 5", "INSERT INTO a(x) VALUES (1)"],
    };

    fn at_version(version: usize) -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        let old = Format { steps: &GROWN.steps[..version], ..GROWN };
        old.make(&mut connection, Path::new("a.db")).unwrap();
        connection
    }

    #[test]
    fn a_database_of_any_earlier_version_comes_to_the_latest() {
        for version in 0..=3 {
            let mut connection = at_version(version);
            if version > 0 {
                connection.execute("INSERT INTO a(x) VALUES (0)", []).unwrap();
            }
            GROWN.migrate(&mut connection, Path::new("a.db")).unwrap();
            assert_eq!(header(&connection).unwrap(), Header { application: 7, version: 3 });
            let sum: i64 = connection.query_row("SELECT sum(x) FROM a WHERE y = 5", [], |row| row.get(0)).unwrap();
            assert_eq!(sum, 1, "from version {version}");
        }
    }

    #[test]
    fn a_step_that_fails_leaves_the_version_that_was() {
        const BROKEN: Format =
            Format { application: 7, steps: &["CREATE TABLE a(x)", "CREATE TABLE b(x)", "INSERT INTO c VALUES (1)"] };
        let mut connection = at_version(1);
        assert!(BROKEN.migrate(&mut connection, Path::new("a.db")).is_err());
        assert_eq!(header(&connection).unwrap().version, 1);
        assert!(!connection.table_exists(None, "b").unwrap());
    }

    #[test]
    fn later_and_foreign_databases_are_told_apart() {
        let path = Path::new("a.db");
        let check = |application, version| GROWN.check(Header { application, version }, path);
        assert!(check(7, 3).is_ok());
        assert!(matches!(check(7, 4), Err(StoreError::Newer { found: 4, known: 3, .. })));
        assert!(matches!(check(8, 3), Err(StoreError::Foreign { .. })));
        let old = GROWN.check_since(3, Header { application: 7, version: 2 }, path);
        assert!(matches!(old, Err(StoreError::Older { found: 2, known: 3, .. })));
        assert!(GROWN.check_since(2, Header { application: 7, version: 2 }, path).is_ok());
    }
}
