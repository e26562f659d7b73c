//! Files that go away, or cannot be written to any more, under a running batch.

use std::{fs, os::unix::fs::PermissionsExt};

use batchmill_core::JournalError;
use batchmill_store_sqlite::Batch;

use crate::support::{Calls, Place, block_on, ended, ok};

/// Waits until the store tells that it is broken, though nobody asks it for anything.
fn noticed(batch: &Batch) -> JournalError {
    let mut broken = batch.broken();
    let told = block_on(async { broken.wait_for(Option::is_some).await.map(|told| told.clone()) });
    told.unwrap().unwrap()
}

#[test]
fn a_folder_that_was_removed_is_noticed_while_nobody_asks() {
    let place = Place::new();
    let batch = place.batch();
    fs::remove_dir_all(batch.folder()).unwrap();
    let error = noticed(&batch);
    assert!(error.message.contains("batch.db was removed while the batch ran"), "{error}");
    assert!(Calls::of(&batch).append(vec![ended([ok(1)])]).is_err());
}

#[test]
fn a_database_that_was_replaced_is_noticed_at_the_next_append() {
    let place = Place::new();
    let batch = place.batch();
    let calls = Calls::of(&batch);
    calls.recorded(vec![ended([ok(0)])]);
    let path = batch.folder().join("batch.db");
    let copy = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, copy).unwrap();
    let error = calls.append(vec![ended([ok(1)])]).unwrap_err();
    assert!(!error.full && error.message.contains("was replaced by another file"), "{error}");
}

#[test]
fn a_folder_that_has_become_read_only_is_noticed_while_nobody_asks() {
    let place = Place::new();
    let batch = place.batch();
    let folder = batch.folder().to_path_buf();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    let error = noticed(&batch);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(error.message.contains("has become read-only"), "{error}");
}

#[test]
fn a_lock_that_was_removed_is_noticed_while_nobody_asks() {
    let place = Place::new();
    let batch = place.batch();
    fs::remove_file(batch.folder().join("lock")).unwrap();
    assert!(noticed(&batch).message.contains("its lock was removed"));
}

#[test]
fn the_log_stays_short_while_results_come() {
    let place = Place::new();
    let mut new = crate::support::new("b");
    new.durability = batchmill_store_sqlite::Durability::Buffered;
    new.jobs = 60_000;
    let batch = place.state.create(new).unwrap();
    let (calls, log) = (Calls::of(&batch), batch.folder().join("batch.db-wal"));
    let reader = place.state.read(batch.id()).unwrap();
    let mut longest = 0;
    for group in 0..300 {
        calls.recorded(vec![ended((group * 200..group * 200 + 200).map(ok))]);
        reader.results(batchmill_core::Position(0), 10).unwrap();
        longest = longest.max(fs::metadata(&log).unwrap().len());
    }
    let size = fs::metadata(batch.folder().join("batch.db")).unwrap().len();
    assert!(longest < 6 << 20, "the log was {longest} bytes long");
    assert!(size > 3 << 20, "results were written back: {size}");
}
