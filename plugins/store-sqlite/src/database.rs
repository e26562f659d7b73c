//! Opening databases without changing what must not be changed.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    ops::Deref,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use crate::{
    StoreError,
    error::At,
    schema::{self, Format},
};

/// The database in the folder of a batch.
pub(crate) const BATCH_FILE: &str = "batch.db";

/// How long a call waits for another process that writes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Opens the database at `path` for reading and writing, after a look that changes nothing. It must be there.
pub(crate) fn open(path: &Path, format: &Format) -> Result<Connection, StoreError> {
    look(path, format)?;
    let connection = plain(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // Until the latest header is known, which may be in the write-ahead log, nothing is written back on leaving.
    keep_log(&connection, path, true)?;
    format.check(schema::header(&connection).at(path)?, path)?;
    keep_log(&connection, path, false)?;
    Ok(connection)
}

/// Opens the database at `path` for reading beside whoever writes it.
pub(crate) fn read(path: &Path, format: &Format) -> Result<Reading, StoreError> {
    read_since(format.latest(), path, format)
}

/// The same for a database whose tables that are read are the same since a version.
pub(crate) fn read_since(first: i32, path: &Path, format: &Format) -> Result<Reading, StoreError> {
    let connection = read_any(path, format)?;
    format.check_since(first, schema::header(&connection).at(path)?, path)?;
    Ok(Reading { connection, path: path.to_path_buf() })
}

/// A connection that reads. The last one to leave takes a log with it that is empty, and leaves one that is not to the next
/// host.
#[derive(Debug)]
pub(crate) struct Reading {
    connection: Connection,
    path: PathBuf,
}

impl Deref for Reading {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let is_empty = fs::metadata(log_of(&self.path)).is_ok_and(|log| log.len() == 0);
        // What cannot be said stays as it was said.
        let _ = keep_log(&self.connection, &self.path, !is_empty);
    }
}

/// The same for a database that may be of an earlier version.
pub(crate) fn read_any(path: &Path, format: &Format) -> Result<Connection, StoreError> {
    look(path, format)?;
    // Reading makes a log where there is none.
    let has_log = log_of(path).exists();
    let connection = match plain(path, OpenFlags::SQLITE_OPEN_READ_WRITE).and_then(|c| queries_only(c, path)) {
        Ok(connection) => connection,
        // On a medium that nobody can write to, there is nobody who writes.
        Err(_) if is_read_only(path) => immutable(path)?,
        Err(error) => return Err(error),
    };
    // What the writer left in its log stays there: to write it back is the writer's.
    if has_log {
        keep_log(&connection, path, true)?;
    }
    format.check(schema::header(&connection).at(path)?, path)?;
    Ok(connection)
}

/// A database up to this size is looked at page by page before somebody goes on with it: it takes a moment.
const CHECKED_BYTES: u64 = 32 << 20;

/// Refuses a database that is damaged, as far as that can be told in short time. Changes nothing.
pub(crate) fn check_whole(path: &Path, format: &Format) -> Result<(), StoreError> {
    look(path, format)?;
    if fs::metadata(path).at(path)?.len() > CHECKED_BYTES {
        return Ok(());
    }
    // Without a log the file is all there is; with one, only both together make sense.
    let connection = if log_of(path).exists() { read_any(path, format)? } else { immutable(path)? };
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).at(path)?;
    match found.as_str() {
        "ok" => Ok(()),
        damage => Err(StoreError::Corrupt { path: path.to_path_buf(), reason: damage.to_owned() }),
    }
}

/// Makes a database at `path`, which must not be there. Whoever made it syncs it.
pub(crate) fn make(path: &Path, format: &Format) -> Result<Connection, StoreError> {
    let mut connection = plain(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    connection
        .execute_batch("PRAGMA page_size = 4096; PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF")
        .at(path)?;
    format.make(&mut connection, path)?;
    Ok(connection)
}

/// The write-ahead log of the database at `path`.
pub(crate) fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// What a first commit needs in the log, and some more after it.
const LOG_AHEAD: u64 = 64 * 1024;

/// Gives the log of the database at `path` its first blocks, behind what is in it: a commit into blocks that are there syncs
/// its data only, where one that makes the file longer syncs the file's length and place as well, which can take as long
/// again. SQLite reads a log up to the first frame that is none, so zeros are its end. Without room it stays as it is.
pub(crate) fn extend_log(path: &Path) -> Result<(), StoreError> {
    let path = log_of(path);
    // Nobody's locks hang on this file.
    let extended = fs::OpenOptions::new().append(true).open(&path).and_then(|mut log| {
        let missing = LOG_AHEAD.saturating_sub(log.metadata()?.len());
        if missing == 0 {
            return Ok(());
        }
        log.write_all(&vec![0; missing as usize])?;
        log.sync_data()
    });
    match extended {
        Err(error) if is_lack_of_room(&error) => Ok(()),
        extended => extended.at(&path),
    }
}

/// Whether `error` says that there is no room for a file, or for a longer one.
pub(crate) fn is_lack_of_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

/// Whether the log stays when the last connection leaves.
pub(crate) fn keep_log(connection: &Connection, path: &Path, keep: bool) -> Result<(), StoreError> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep).map(drop).at(path)
}

fn plain(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).at(path)?;
    connection.busy_timeout(PATIENCE).at(path)?;
    connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY").at(path)?;
    Ok(connection)
}

fn queries_only(connection: Connection, path: &Path) -> Result<Connection, StoreError> {
    connection.execute_batch("PRAGMA query_only = ON").at(path)?;
    // The first look at the file itself.
    schema::header(&connection).at(path)?;
    Ok(connection)
}

/// A look at the file alone, without a lock or a log: it can change nothing, neither the file nor its folder.
///
/// Never with [`fs::File`]: closing that would drop the locks that this process has on the database. Whoever writes to the
/// file meanwhile makes it look damaged: so damage is looked at again, and where there is a log, it is left to the one who
/// reads that too.
fn look(path: &Path, format: &Format) -> Result<(), StoreError> {
    for _ in 1..LOOKS {
        match look_once(path, format) {
            Err(StoreError::Corrupt { .. }) => std::thread::sleep(BETWEEN_LOOKS),
            other => return other,
        }
    }
    match look_once(path, format) {
        Err(StoreError::Corrupt { .. }) if log_of(path).exists() => Ok(()),
        other => other,
    }
}

/// How often a file is looked at that looks damaged.
const LOOKS: u32 = 3;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

fn look_once(path: &Path, format: &Format) -> Result<(), StoreError> {
    let size = fs::metadata(path).at(path)?.len();
    if size == 0 {
        let reason = "the file is empty".to_owned();
        return Err(StoreError::Corrupt { path: path.to_path_buf(), reason });
    }
    let connection = immutable(path)?;
    format.check(schema::header(&connection).at(path)?, path)?;
    // The log may hold the newer pages of a database that is in use: only without one must the file be whole.
    if log_of(path).exists() { Ok(()) } else { is_whole(&connection, size, path) }
}

/// Cheap signs of damage: the number of pages, and the schema, which must be readable.
fn is_whole(connection: &Connection, size: u64, path: &Path) -> Result<(), StoreError> {
    let corrupt = |reason| Err(StoreError::Corrupt { path: path.to_path_buf(), reason });
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0)).at(path);
    let expected = number("page_count")? * number("page_size")?;
    if size < expected {
        return corrupt(format!("the file has been cut off: {size} of {expected} bytes are there"));
    }
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).at(path)
}

fn immutable(path: &Path) -> Result<Connection, StoreError> {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
            byte => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri.push_str("?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(uri, flags).at(path)
}

fn is_read_only(path: &Path) -> bool {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_err()
}
