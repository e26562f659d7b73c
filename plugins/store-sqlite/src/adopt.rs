//! Taking a batch over from a host that is no more.

use std::{fs, path::Path};

use batchmill_core::{
    BatchId, Status,
    fault::{self, Sabotage},
};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::{
    Batch, Durability, Standing, StoreError,
    batch::{Facts, needed},
    clock, database,
    error::At,
    lock::{self, Lock},
    schema, slots,
    writer::{Known, Tables, Undone},
};

/// Owns the batch in `folder`: the lock, the next incarnation, and the crashes that the last host's end has caused, each
/// counted once, however often this is interrupted.
pub(crate) fn adopt(id: &BatchId, folder: &Path, durability: Durability) -> Result<Batch, StoreError> {
    let path = folder.join(database::BATCH_FILE);
    fs::metadata(&path).at(&path)?;
    let mut lock = Lock::take(folder, id)?;
    // What must not be touched is refused before anything is written.
    database::check_whole(&path, &schema::BATCH)?;
    lock.sign()?;
    fault::point("resume.locked");
    let mut connection = database::open(&path, &schema::BATCH)?;
    schema::BATCH.migrate(&mut connection, &path)?;
    let found: String = needed(&connection, "batch").at(&path)?;
    if found != id.as_str() {
        let reason = format!("it is the batch {found}, in the folder of {id}");
        return Err(StoreError::Corrupt { path, reason });
    }
    let facts = Facts::read(&connection).at(&path)?;
    let running = slots::left_running(folder, facts.incarnation)?;
    let lost = take_over(&mut connection, &running, &facts).map_err(|undone| match undone {
        Undone::Storage(error) => StoreError::sql(&path, &error),
        Undone::Refused(reason) => StoreError::Corrupt { path: path.clone(), reason },
    })?;
    fault::point("resume.crashes-counted");
    Batch::start(id.clone(), folder, connection, lock, durability, lost)
}

/// The next incarnation, and the crashes of what ran, in one transaction. The file of slots belongs to the incarnation
/// that was: after this nobody reads it again.
fn take_over(connection: &mut Connection, running: &[u64], facts: &Facts) -> Result<Vec<(u64, u32)>, Undone> {
    let mut known = Known::load(connection)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let now = clock::now();
    let nothing_kept = |_: &str| false;
    let tally = [0; Status::ALL.len()];
    let mut tables = Tables { connection: &transaction, known: &mut known, tally, has_checkpoint: &nothing_kept };
    let mut lost = Vec::new();
    for place in running.iter().copied() {
        let mut ended = transaction.prepare_cached("SELECT 1 FROM record WHERE place = ?1")?;
        if ended.exists([place])? || fault::breaks(Sabotage::ForgetCrash) {
            continue;
        }
        let mut crashes = transaction.prepare_cached("SELECT crashes FROM crash WHERE place = ?1")?;
        let before: Option<u32> = crashes.query_row([place], |row| row.get(0)).optional()?;
        let crashes = before.unwrap_or(0).saturating_add(1);
        tables.lost(place, crashes, now)?;
        lost.push((place, crashes));
    }
    let incarnation = facts.incarnation + 1;
    let body = serde_json::json!({
        "incarnation": incarnation, "pid": std::process::id(), "host": lock::host_name(), "lost": lost.len(),
    });
    tables.note("adopted", now, &body)?;
    transaction.execute("UPDATE meta SET value = ?1 WHERE key = 'incarnation'", [incarnation])?;
    transaction.execute("UPDATE meta SET value = ?1 WHERE key = 'standing'", [Standing::Open.as_str()])?;
    transaction.execute("DELETE FROM meta WHERE key = 'ended'", [])?;
    transaction.commit()?;
    Ok(lost)
}
