//! Finding batches again, and letting go of them.

use std::fs;

use batchmill_core::{JournalEvent, Verdict, WallTime};
use batchmill_store_sqlite::{Durability, Listed, Standing, StateDir, StoreError};

use crate::support::{Calls, Place, accepted, ended, id, new, ok};

fn at(second: u64) -> WallTime {
    accepted() + std::time::Duration::from_secs(second)
}

/// Batches `nightly`, `inspect-1`, `inspect-2`, made in this order.
fn three() -> Place {
    let place = Place::new();
    for (second, name) in (0..).zip(["nightly", "inspect-1", "inspect-2"]) {
        let mut batch = new(name);
        batch.accepted = at(second);
        batch.source = if name == "nightly" { "a" } else { "b" }.to_owned();
        drop(place.state.create(batch).unwrap());
    }
    place
}

fn ids(batches: &[Listed]) -> Vec<&str> {
    batches.iter().map(|batch| batch.id.as_str()).collect()
}

#[test]
fn batches_are_found_by_name_by_a_prefix_of_one_and_by_age() {
    let place = three();
    let find = |name: &str| place.state.find(name).map(|batch| batch.id.to_string());
    assert_eq!(find("nightly").unwrap(), "nightly");
    assert_eq!(find("n").unwrap(), "nightly");
    assert_eq!(find("inspect-1").unwrap(), "inspect-1");
    assert_eq!(find("last").unwrap(), "inspect-2");
    let several = find("insp").unwrap_err();
    assert!(matches!(&several, StoreError::Ambiguous { candidates, .. } if candidates.len() == 2), "{several}");
    let unknown = find("nightyl").unwrap_err().to_string();
    assert!(
        unknown.starts_with("there is no batch `nightyl` in ") && unknown.ends_with("did you mean `nightly`?"),
        "{unknown}"
    );
    assert!(matches!(find(""), Err(StoreError::Unknown { .. })));
    assert!(matches!(place.state.read(&id("x")), Err(StoreError::Unknown { .. })));
    assert!(matches!(place.state.adopt(&id("../state"), Durability::Fsync), Err(StoreError::BadName { .. })));
}

#[test]
fn the_newest_batch_of_a_source_is_known() {
    let place = three();
    let latest = |source: &str| place.state.latest_of(source).unwrap().map(|batch| batch.id.to_string());
    assert_eq!(latest("b").as_deref(), Some("inspect-2"));
    assert_eq!(latest("c"), None);
    fs::remove_dir_all(place.state.folder(&id("inspect-2"))).unwrap();
    assert_eq!(latest("b").as_deref(), Some("inspect-1"));
}

#[test]
fn a_catalogue_that_was_removed_is_made_again_from_the_folders() {
    let place = three();
    let batch = place.state.adopt(&id("nightly"), Durability::Fsync).unwrap();
    let journal = batch.journal();
    let closed = JournalEvent::Closed { verdict: Verdict::Succeeded, at: at(50) };
    crate::support::block_on(journal.append(&id("nightly"), vec![ended([ok(0)]), closed])).unwrap();
    drop((journal, batch));
    place.state.set_standing(&id("nightly"), Standing::Finished).unwrap();
    place.state.set_standing(&id("inspect-1"), Standing::Abandoned).unwrap();
    let before = place.state.list().unwrap();
    assert_eq!(ids(&before), ["inspect-2", "inspect-1", "nightly"]);
    assert_eq!((before[2].standing, before[2].ended), (Standing::Finished, Some(at(50))));
    fs::remove_file(place.state.path().join("catalogue.db")).unwrap();
    assert_eq!(place.state.list().unwrap(), before, "without a catalogue");
    let again = StateDir::open(place.state.path()).unwrap();
    assert_eq!(again.list().unwrap(), before, "with a new one");
    assert_eq!(again.latest_of("b").unwrap().as_ref(), Some(&before[0]));
}

#[test]
fn a_folder_that_was_removed_is_a_batch_that_is_gone_and_its_name_is_free() {
    let place = three();
    fs::remove_dir_all(place.state.folder(&id("nightly"))).unwrap();
    assert_eq!(ids(&place.state.list().unwrap()), ["inspect-2", "inspect-1"]);
    let again = StateDir::open(place.state.path()).unwrap();
    drop(again.create(new("nightly")).unwrap());
}

#[test]
fn a_folder_that_is_no_batch_is_left_alone() {
    let place = three();
    let other = place.state.path().join("batches/notes");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("batch.db"), "mine").unwrap();
    assert_eq!(StateDir::open(place.state.path()).unwrap().list().unwrap().len(), 3);
    assert!(matches!(place.state.create(new("notes")), Err(StoreError::Taken(name)) if name == "notes"));
    assert_eq!(fs::read(other.join("batch.db")).unwrap(), b"mine");
    assert_eq!(place.state.list().unwrap().len(), 3, "what could not be made is not listed");
}

#[test]
fn reading_a_directory_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    assert!(StateDir::existing(&path).unwrap().is_none());
    assert!(!path.exists());
    let place = three();
    let read = StateDir::existing(place.state.path()).unwrap().unwrap();
    assert_eq!(read.list().unwrap().len(), 3);
}

#[test]
fn a_batch_that_is_run_cannot_be_abandoned() {
    let place = Place::new();
    let batch = place.batch();
    let error = place.state.set_standing(&id("b"), Standing::Abandoned).unwrap_err();
    assert!(matches!(error, StoreError::Owned { .. }), "{error}");
    place.state.set_standing(&id("b"), Standing::Halted).unwrap();
    assert_eq!(place.state.find("b").unwrap().standing, Standing::Halted);
    Calls::of(&batch).recorded(vec![ended([ok(0)])]);
    drop(batch);
    drop(place.again());
    assert_eq!(place.state.find("b").unwrap().standing, Standing::Open, "whoever takes it over goes on with it");
}

#[test]
fn a_prefix_of_a_batch_means_the_batch_and_not_its_retries() {
    let place = three();
    for (retry, generation) in [("nightly.r1", 1), ("nightly.r2", 2)] {
        let mut child = new(retry);
        (child.parent, child.generation) = (Some(id("nightly")), generation);
        drop(place.state.create(child).unwrap());
    }
    let find = |name: &str| place.state.find(name).map(|batch| batch.id.to_string());
    assert_eq!(find("night").unwrap(), "nightly");
    assert!(matches!(find("nightly.r"), Err(StoreError::Ambiguous { .. })), "of two retries none is meant");
    assert_eq!(find("nightly.r2").unwrap(), "nightly.r2");
}

#[test]
fn prune_removes_what_ended_before_and_nothing_that_is_still_needed() {
    let place = three();
    let mut child = new("inspect-1.r1");
    (child.parent, child.generation) = (Some(id("inspect-1")), 1);
    drop(place.state.create(child).unwrap());
    for name in ["nightly", "inspect-1"] {
        place.state.set_standing(&id(name), Standing::Finished).unwrap();
    }
    let later = place.state.find("nightly").unwrap().ended.unwrap() + std::time::Duration::from_secs(3600);
    assert_eq!(place.state.prune(accepted(), false).unwrap(), [], "nothing ended before it began");
    assert_eq!(ids(&place.state.prune(later, true).unwrap()), ["nightly"], "of the other a child is not finished");
    assert!(place.state.folder(&id("nightly")).exists(), "a dry run removes nothing");
    // What a host left that died while it made a batch.
    let left = place.state.path().join("batches/.new-1");
    fs::create_dir(&left).unwrap();
    assert_eq!(ids(&place.state.prune(later, false).unwrap()), ["nightly"]);
    assert!(!place.state.folder(&id("nightly")).exists() && !left.exists());
    place.state.set_standing(&id("inspect-1.r1"), Standing::Finished).unwrap();
    let gone = place.state.prune(later + std::time::Duration::from_secs(3600), false).unwrap();
    assert_eq!(gone.len(), 2, "{gone:?}");
    assert_eq!(ids(&place.state.list().unwrap()), ["inspect-2"]);
}

#[test]
fn prune_leaves_what_it_cannot_read() {
    let place = three();
    for name in ["nightly", "inspect-1"] {
        place.state.set_standing(&id(name), Standing::Finished).unwrap();
    }
    let later = place.state.find("nightly").unwrap().ended.unwrap() + std::time::Duration::from_secs(3600);
    let database = place.state.folder(&id("nightly")).join("batch.db");
    let connection = rusqlite::Connection::open(&database).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    connection.close().unwrap();
    let before = fs::read(&database).unwrap();
    for dry_run in [true, false] {
        assert_eq!(ids(&place.state.prune(later, dry_run).unwrap()), ["inspect-1"]);
    }
    assert_eq!(fs::read(&database).unwrap(), before, "of a later version, which may know better whether it has ended");
}
