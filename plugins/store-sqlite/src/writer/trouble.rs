//! What a failure of the storage means: wait for room, or stop.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use batchmill_core::JournalError;
use rusqlite::{Error, ErrorCode, ffi};
use rustix::process::{Resource, getrlimit};

use crate::{database, lock::Lock};

/// How much room a probe asks for: what a small group needs.
const PROBE: usize = 64 * 1024;

/// The files that a writer stands on.
#[derive(Debug)]
pub(crate) struct Ground {
    folder: PathBuf,
    database: PathBuf,
    /// The file that is open: device and number.
    identity: (u64, u64),
}

impl Ground {
    pub(crate) fn of(database: &Path) -> io::Result<Self> {
        let identity = identity(database)?;
        let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok(Self { folder: folder.to_path_buf(), database: database.to_path_buf(), identity })
    }

    pub(crate) fn database(&self) -> &Path {
        &self.database
    }

    /// Whether the files are still there, and the same: otherwise what is written goes where nobody finds it.
    pub(crate) fn holds(&self) -> Result<(), JournalError> {
        match identity(&self.database) {
            Ok(found) if found == self.identity => Ok(()),
            Ok(_) => Err(self.lost("was replaced by another file while the batch ran")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(self.lost("was removed while the batch ran")),
            Err(error) => Err(self.lost(&format!("cannot be looked at: {error}"))),
        }
    }

    /// The same, and whether the folder can be written to: what nobody notices who has all files open.
    pub(crate) fn holds_writable(&self, lock: Option<&Lock>) -> Result<(), JournalError> {
        self.holds()?;
        if lock.is_some_and(|lock| !lock.stands()) {
            return Err(JournalError::new(format!(
                "{}: its lock was removed while the batch ran",
                self.folder.display()
            )));
        }
        for path in [&self.folder, &self.database] {
            let permits = fs::metadata(path).is_ok_and(|found| found.mode() & 0o222 != 0);
            if !permits || rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_err() {
                return Err(JournalError::new(format!(
                    "{} has become read-only: make it writable and go on with `batchmill resume`",
                    path.display()
                )));
            }
        }
        Ok(())
    }

    fn lost(&self, what: &str) -> JournalError {
        JournalError::new(format!("{} {what}: what was not recorded before is not recorded", self.database.display()))
    }

    /// What `error` means for who waits for a write. The transaction was undone.
    pub(crate) fn judge(&self, error: &Error) -> JournalError {
        let place = self.database.display();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => JournalError::full(format!("{place}: no space left on device")),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                JournalError::full(format!("{place} is locked by another program: close it"))
            }
            Some(ErrorCode::SystemIoFailure) if is_sync(error) => JournalError::new(format!(
                "{place}: a sync failed, so nobody knows what the disk has kept ({error}): nothing is written to it any \
                 more; check the disk, then `batchmill resume`"
            )),
            // SQLite tells only one kind of a lack of room from a defect.
            Some(ErrorCode::SystemIoFailure) => match self.lack() {
                Some(lack) => JournalError::full(format!("{place}: {lack}")),
                None => JournalError::new(format!("{place}: {error}")),
            },
            _ => JournalError::new(format!("{place}: {error}")),
        }
    }

    /// What keeps files from growing here, if something does.
    fn lack(&self) -> Option<String> {
        let longest = fs::metadata(database::log_of(&self.database)).map_or(0, |found| found.len());
        let limit = getrlimit(Resource::Fsize).current;
        if limit.is_some_and(|limit| longest + PROBE as u64 > limit) {
            return Some("the limit on the size of files (RLIMIT_FSIZE) is reached".to_owned());
        }
        let path = self.folder.join(".room");
        let probed = fs::File::create(&path).and_then(|mut file| file.write_all(&[0; PROBE]));
        let _ = fs::remove_file(&path);
        let error = probed.err()?;
        database::is_lack_of_room(&error).then(|| error.to_string())
    }
}

fn is_sync(error: &Error) -> bool {
    let code = error.sqlite_extended_error_code();
    matches!(code, Some(ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|found| (found.dev(), found.ino()))
}
