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

/// Set for the process that runs with a limit.
const LIMITED: &str = "BATCHMILL_STORE_LIMITED";

#[test]
fn a_limit_on_the_size_of_files_is_a_lack_of_room_that_passes() {
    if std::env::var_os(LIMITED).is_some() {
        return until_full_and_on();
    }
    // The limit is the whole process's: another one runs this test under it.
    let name = "trouble::a_limit_on_the_size_of_files_is_a_lack_of_room_that_passes";
    let script = format!("trap '' XFSZ; ulimit -S -f 2048; exec \"$0\" --exact {name} --nocapture");
    let run = std::process::Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .env(LIMITED, "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && told.contains("went on after"), "{run:?}");
}

/// Appends until the limit is reached, raises it, and repeats the same append.
fn until_full_and_on() {
    let place = Place::new();
    let batch = place.batch();
    let calls = Calls::of(&batch);
    let results = |group: u64| ended((group * 50..group * 50 + 50).map(ok));
    let (group, error) =
        (0..).find_map(|group| calls.append(vec![results(group)]).err().map(|error| (group, error))).unwrap();
    assert!(error.full && error.message.contains("the limit on the size of files"), "{error}");
    // The file is at its limit, not only its log: what was written back has made room for a while.
    assert!(group > 100, "{group}");
    let resource = rustix::process::Resource::Fsize;
    let limit = rustix::process::getrlimit(resource);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    rustix::process::setrlimit(resource, raised).unwrap();
    calls.recorded(vec![results(group)]);
    assert_eq!(calls.results().len() as u64, (group + 1) * 50);
    println!("went on after {group} groups");
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
