//! Making the folder of a batch, whole or not at all.

use std::{fs, io, path::Path};

use batchmill_core::WallTime;
use rusqlite::{Connection, TransactionBehavior, params};

use crate::{NewBatch, Standing, StoreError, database, error::At, lock::Lock, schema, state::sync_folder};

/// Makes `folder` below `batches`, under another name until everything is in it and on the disk. The lock is taken before
/// anybody can see it.
pub(crate) fn folder(batches: &Path, folder: &Path, new: &NewBatch) -> Result<Lock, StoreError> {
    // The catalogue is locked meanwhile: one at a time is made here, so the process names it well enough.
    let draft = batches.join(format!(".new-{}", std::process::id()));
    if draft.exists() {
        fs::remove_dir_all(&draft).at(&draft)?;
    }
    fs::create_dir(&draft).at(&draft)?;
    let made = fill(&draft, new).and_then(|mut lock| match fs::rename(&draft, folder) {
        Ok(()) => {
            lock.moved_to(folder);
            sync_folder(batches).map(|()| lock)
        }
        // A folder that the catalogue does not know stands there.
        Err(error) if matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) => {
            Err(StoreError::Taken(new.id.to_string()))
        }
        Err(error) => Err(StoreError::io(folder, &error)),
    });
    if made.is_err() {
        // What cannot be removed now is removed by `prune`.
        let _ = fs::remove_dir_all(&draft);
    }
    made
}

/// Removes a folder that was made in vain, while its lock is held.
pub(crate) fn take_back(folder: &Path, lock: Lock) {
    if let Err(error) = fs::remove_dir_all(folder) {
        tracing::warn!(folder = %folder.display(), %error, "a batch that could not be made has left its folder");
    }
    drop(lock);
}

/// Its first host. The first commit makes the write-ahead log and syncs its folder, three syncs instead of one: it is done
/// here, where nobody waits for a result.
pub(crate) fn begin(folder: &Path) -> Result<Connection, StoreError> {
    let path = folder.join(database::BATCH_FILE);
    let connection = database::open(&path, &schema::BATCH)?;
    connection.execute("UPDATE meta SET value = 1 WHERE key = 'incarnation'", []).at(&path)?;
    Ok(connection)
}

fn fill(draft: &Path, new: &NewBatch) -> Result<Lock, StoreError> {
    let mut lock = Lock::take(draft, &new.id)?;
    lock.sign()?;
    let path = draft.join(database::BATCH_FILE);
    let mut connection = database::make(&path, &schema::BATCH)?;
    facts(&mut connection, new).at(&path)?;
    connection.execute_batch("PRAGMA journal_mode = WAL").at(&path)?;
    drop(connection);
    // No connection is open: a file that is closed takes no locks with it.
    fs::File::open(&path).and_then(|file| file.sync_all()).at(&path)?;
    sync_folder(draft)?;
    Ok(lock)
}

fn facts(connection: &mut Connection, new: &NewBatch) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut insert = transaction.prepare("INSERT INTO meta VALUES (?1, ?2)")?;
    let mut put = |key: &str, value: &dyn rusqlite::ToSql| insert.execute(params![key, value]).map(drop);
    put("batch", &new.id.as_str())?;
    put("name", &new.name)?;
    put("flow", &new.flow)?;
    put("source", &new.source)?;
    put("manifest", &new.manifest.to_string())?;
    put("jobs", &new.jobs)?;
    put("content", &new.content)?;
    put("accepted", &new.accepted.as_micros())?;
    put("parent", &new.parent.as_ref().map(|parent| parent.as_str().to_owned()))?;
    put("generation", &new.generation)?;
    put("standing", &Standing::Open.as_str())?;
    put("incarnation", &0)?;
    drop(insert);
    accepted(&transaction, new.accepted, new)?;
    transaction.commit()
}

/// The first event: the jobs were accepted.
fn accepted(connection: &Connection, at: WallTime, new: &NewBatch) -> rusqlite::Result<()> {
    let body = serde_json::json!({"jobs": new.jobs, "content": new.content}).to_string();
    let sql = "INSERT INTO event VALUES (1, 'accepted', ?1, ?2)";
    connection.execute(sql, params![at.as_micros(), body]).map(drop)
}
