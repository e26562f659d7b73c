//! Who runs a batch: a lock that ends with its process.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use batchmill_core::BatchId;

use crate::{
    StoreError,
    clock::now,
    error::{At, Owner},
};

/// The file in the folder of a batch.
pub(crate) const FILE: &str = "lock";

/// Who looks whether a batch is run holds its lock for a moment: somebody who wants it tries again.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// Holds the lock of a batch. The system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock {
    /// The lock is a property of the open file.
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock of the batch in `folder`, or says who has it. Nothing is written yet.
    pub(crate) fn take(folder: &Path, batch: &BatchId) -> Result<Self, StoreError> {
        let path = folder.join(FILE);
        for attempt in 1.. {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).at(&path)?;
            match file.try_lock() {
                // Whoever removed the folder meanwhile has left us with the lock of a file that nobody finds.
                Ok(()) if is_same(&file, &path) => return Ok(Self { file, path }),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) if attempt >= TRIES => {
                    return Err(StoreError::Owned { batch: batch.clone(), owner: owner_in(file) });
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
                Err(TryLockError::Error(error)) => return Err(StoreError::io(&path, &error)),
            }
        }
        unreachable!("the loop has no end of its own")
    }

    /// Writes who has it.
    pub(crate) fn sign(&mut self) -> Result<(), StoreError> {
        let owner = Owner { pid: std::process::id(), host: host_name(), since: now() };
        let mut line = serde_json::to_vec(&owner).map_err(io::Error::from).at(&self.path)?;
        line.push(b'\n');
        let begun = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        begun.and_then(|_| self.file.write_all(&line)).at(&self.path)
    }

    /// The file was moved with its folder.
    pub(crate) fn moved_to(&mut self, folder: &Path) {
        self.path = folder.join(FILE);
    }

    /// Whether the file that is locked is still the one that others find.
    pub(crate) fn stands(&self) -> bool {
        is_same(&self.file, &self.path)
    }
}

/// Who runs the batch in `folder`, if somebody does.
pub(crate) fn owner(folder: &Path) -> Result<Option<Owner>, StoreError> {
    let path = folder.join(FILE);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io(&path, &error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(owner_in(file))),
        Err(TryLockError::Error(error)) => Err(StoreError::io(&path, &error)),
    }
}

fn owner_in(mut file: File) -> Owner {
    let mut text = String::new();
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_string(&mut text));
    let told = read.ok().and_then(|_| serde_json::from_str(&text).ok());
    // Between taking the lock and writing who took it.
    told.unwrap_or_else(|| Owner { pid: 0, host: String::new(), since: now() })
}

fn is_same(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(held), Ok(found)) => (held.dev(), held.ino()) == (found.dev(), found.ino()),
        _ => false,
    }
}

pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
