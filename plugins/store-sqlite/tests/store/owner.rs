//! Who owns a batch, and what a new owner takes over.

use batchmill_core::JournalAnswer;
use batchmill_store_sqlite::{Durability, Standing, StoreError};

use crate::support::{Calls, Place, accepted, ended, id, new, ok};

#[test]
fn a_second_owner_is_refused_and_told_who_the_first_is() {
    let place = Place::new();
    let batch = place.batch();
    let error = place.state.adopt(&id("b"), Durability::Fsync).unwrap_err();
    let StoreError::Owned { owner, .. } = &error else { panic!("{error}") };
    assert_eq!(owner.pid, std::process::id());
    assert!(error.to_string().starts_with(&format!("the batch b is run by process {} on ", owner.pid)), "{error}");
    assert_eq!(place.state.find("b").unwrap().owner.map(|owner| owner.pid), Some(std::process::id()));
    drop(batch);
    assert_eq!(place.state.find("b").unwrap().owner, None);
    assert_eq!(place.again().incarnation(), 2);
}

#[test]
fn what_a_batch_is_comes_back_with_it() {
    let place = Place::new();
    let mut batch = place.batch();
    batch.amend(serde_json::json!({"flow": "other.yaml"})).unwrap();
    drop(batch);
    let batch = place.again();
    assert_eq!(batch.manifest(), &serde_json::json!({"flow": "other.yaml"}));
    assert_eq!((batch.accepted(), batch.jobs(), batch.content()), (accepted(), 1000, "abc"));
    let reader = place.state.read(&id("b")).unwrap();
    let kinds: Vec<String> =
        reader.events(batchmill_core::Position(0), 100).unwrap().into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, ["accepted", "amended", "adopted"]);
}

#[test]
fn a_batch_has_the_jobs_that_were_accepted_last() {
    let place = Place::new();
    let mut batch = place.batch();
    batch.accept(1500, "longer", accepted()).unwrap();
    batch.starts().started(0, 1400);
    assert_eq!((batch.jobs(), batch.content()), (1500, "longer"));
    drop(batch);
    let batch = place.again();
    assert_eq!((batch.jobs(), batch.content()), (1500, "longer"));
    assert_eq!(batch.lost(), [(1400, 1)]);
    assert_eq!(place.state.read(&id("b")).unwrap().counts().unwrap().jobs, 1500);
    place.state.set_standing(&id("b"), Standing::Finished).unwrap();
    assert_eq!(place.state.find("b").unwrap().jobs, 1500);
}

#[test]
fn jobs_that_ran_when_the_host_died_are_counted_once() {
    let place = Place::new();
    let batch = place.batch();
    let starts = batch.starts();
    starts.started(0, 5);
    starts.started(1, 6);
    starts.started(2, 7);
    starts.ended(2);
    Calls::of(&batch).recorded(vec![ended([ok(6)])]);
    drop(batch);
    let second = place.again();
    assert_eq!(second.lost(), [(5, 1)], "6 has its record, and nothing ran in the third slot");
    drop(second);
    let third = place.again();
    assert_eq!(third.lost(), [], "the second host ran nothing");
    third.starts().started(0, 5);
    drop(third);
    assert_eq!(place.again().lost(), [(5, 2)]);
    assert_eq!(place.state.read(&id("b")).unwrap().crashes(5).unwrap(), 2);
}

#[test]
fn an_adoption_that_dies_half_way_counts_no_crash_twice() {
    let place = Place::new();
    let batch = place.batch();
    batch.starts().started(0, 5);
    let slots = batch.folder().join("slots");
    let left = std::fs::read(&slots).unwrap();
    drop(batch);
    assert_eq!(place.again().lost(), [(5, 1)]);
    // As if the host had died before it began a file of its own.
    std::fs::write(&slots, left).unwrap();
    assert_eq!(place.again().lost(), []);
}

#[test]
fn a_planned_stop_is_no_crash() {
    let place = Place::new();
    let batch = place.batch();
    batch.starts().started(0, 5);
    batch.starts().stopped();
    drop(batch);
    assert_eq!(place.again().lost(), []);
}

#[test]
fn a_host_that_lost_the_batch_is_fenced_and_records_nothing() {
    let place = Place::new();
    let batch = place.batch();
    let calls = Calls::of(&batch);
    calls.recorded(vec![ended([ok(1)])]);
    // Another host without respect for locks.
    let other = rusqlite::Connection::open(batch.folder().join("batch.db")).unwrap();
    other.execute("UPDATE meta SET value = 2 WHERE key = 'incarnation'", []).unwrap();
    assert_eq!(calls.append(vec![ended([ok(2)])]).unwrap(), JournalAnswer::Fenced);
    assert_eq!(calls.results(), [ok(1)]);
    assert!(batch.broken().borrow().is_some());
}

#[test]
fn the_same_name_is_taken_once_and_names_that_name_no_folder_are_refused() {
    let place = Place::new();
    let _batch = place.batch();
    assert!(matches!(place.state.create(new("b")), Err(StoreError::Taken(name)) if name == "b"));
    let named = |id: &str, name: &str| {
        let mut batch = new(id);
        batch.name = Some(name.to_owned());
        place.state.create(batch)
    };
    let _nightly = named("c", "nightly").unwrap();
    assert!(matches!(named("d", "nightly"), Err(StoreError::Taken(name)) if name == "nightly"));
    assert!(!place.state.folder(&id("d")).exists());
    for bad in ["a/b", "..", ".", ".hidden", "last", "../x"] {
        let error = place.state.create(new(bad)).unwrap_err();
        assert!(matches!(error, StoreError::BadName { .. }), "{bad}: {error}");
    }
    // Other bytes, other names.
    for other in ["B", "é", "e\u{301}"] {
        drop(place.state.create(new(other)).unwrap());
    }
    assert_eq!(place.state.list().unwrap().len(), 5);
}
