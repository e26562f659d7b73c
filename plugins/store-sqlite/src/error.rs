//! What can go wrong with a store, by what the caller can do about it.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use batchmill_core::{BatchId, WallTime};
use serde::{Deserialize, Serialize};

/// Who runs a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Owner {
    /// Its process; 0 where it is not known (yet).
    pub pid: u32,
    /// The machine.
    pub host: String,
    /// Since when.
    pub since: WallTime,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            0 => f.write_str("a process that has not told its name yet"),
            pid => write!(f, "process {pid} on {}, since {}", self.host, self.since),
        }
    }
}

/// Why a store does not do what it was asked for. Displays as a sentence with the place and the mend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The batch has a running host.
    #[error("the batch {batch} is run by {owner}: wait for it, or stop it with `batchmill drain {batch}`")]
    Owned {
        /// The batch.
        batch: BatchId,
        /// Its host.
        owner: Owner,
    },
    /// No batch goes by this name.
    #[error("there is no batch `{name}` in {}{}", state.display(), near(near_name.as_deref()))]
    Unknown {
        /// What was asked for.
        name: String,
        /// The state directory.
        state: PathBuf,
        /// The most similar name there is.
        near_name: Option<String>,
    },
    /// Several batches go by this prefix.
    #[error("`{prefix}` begins the names of several batches: {}", candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        prefix: String,
        /// Whose names begin so.
        candidates: Vec<String>,
    },
    /// The name is in use.
    #[error("there is a batch `{0}` already: choose another name, or go on with `batchmill resume {0}`")]
    Taken(String),
    /// The name cannot name a folder.
    #[error("`{name}` cannot name a batch: {why}")]
    BadName {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A file does not hold what it must.
    #[error("{}: {reason}; it was left as it is: restore it, or remove its folder and run the batch with --fresh", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The catalogue does not hold what it must. It is only an index of the folders.
    #[error("{}: {reason}; it was left as it is: remove it, it is made again from the batches", path.display())]
    CorruptCatalogue {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A later version wrote the file.
    #[error("{}: written by a later version of Batchmill (format {found}, this one knows up to {known}); it was left as it is: use that version", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i32,
        /// The latest format that this version knows.
        known: i32,
    },
    /// An earlier version wrote the file, and it is only to be read.
    #[error("{}: written by an earlier version of Batchmill (format {found}, this one reads {known}): `batchmill resume` brings it up to date", path.display())]
    Older {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i32,
        /// The format that this version reads.
        known: i32,
    },
    /// The file is of another program.
    #[error("{}: not a file of Batchmill; it was left as it is: name another state directory, or move it away", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file system, or SQLite above it.
    #[error("{}: {reason}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        reason: String,
        /// Whether there was no room.
        full: bool,
    },
}

fn near(name: Option<&str>) -> String {
    name.map(|name| format!(", did you mean `{name}`?")).unwrap_or_default()
}

impl StoreError {
    /// What the file system said of `path`.
    pub(crate) fn io(path: impl AsRef<Path>, error: &io::Error) -> Self {
        let full = matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
        );
        Self::Io { path: path.as_ref().to_path_buf(), reason: error.to_string(), full }
    }

    /// What SQLite said of the database at `path`.
    pub(crate) fn sql(path: impl AsRef<Path>, error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseCorrupt, DiskFull, NotADatabase};
        let (path, code) = (path.as_ref().to_path_buf(), error.sqlite_error_code());
        match code {
            Some(NotADatabase) => Self::Foreign { path },
            Some(DatabaseCorrupt) => Self::Corrupt { path, reason: error.to_string() },
            code => Self::Io { path, reason: error.to_string(), full: code == Some(DiskFull) },
        }
    }
}

/// Gives errors their place.
pub(crate) trait At<T> {
    /// The error is about `path`.
    fn at(self, path: impl AsRef<Path>) -> Result<T, StoreError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, path: impl AsRef<Path>) -> Result<T, StoreError> {
        self.map_err(|error| StoreError::io(path, &error))
    }
}

impl<T> At<T> for rusqlite::Result<T> {
    fn at(self, path: impl AsRef<Path>) -> Result<T, StoreError> {
        self.map_err(|error| StoreError::sql(path, &error))
    }
}
