//! Files that are not what they should be: refused, and left as they are.

use std::{collections::BTreeMap, fs, path::Path};

use batchmill_core::Position;
use batchmill_store_sqlite::{Durability, StateDir, StoreError};
use rusqlite::Connection;

use crate::support::{Calls, Place, ended, failed, id, ok};

/// Every file below a folder, byte by byte.
fn bytes(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        if path.is_dir() {
            all.extend(bytes(&path).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else {
            all.insert(name, fs::read(path).unwrap());
        }
    }
    all
}

/// A batch with some results, closed, and damaged by `damage`, is refused as `expected`; nothing has changed.
fn refused(damage: impl FnOnce(&Path), expected: &str) {
    let place = Place::new();
    let batch = place.batch();
    Calls::of(&batch).recorded(vec![ended((0..500).map(ok)), ended((500..1000).map(failed))]);
    let folder = batch.folder().to_path_buf();
    drop(batch);
    damage(&folder.join("batch.db"));
    let before = bytes(&folder);
    let error = place.state.adopt(&id("b"), Durability::Fsync).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with(&format!("{}: ", folder.join("batch.db").display())), "{text}");
    assert!(text.contains(expected), "{text}");
    same(&folder, &before);
    // Who reads may find what is left readable, and changes nothing either.
    if let Ok(reader) = place.state.read(&id("b")) {
        let _ = reader.results(Position(0), 10_000);
    }
    same(&folder, &before);
}

/// Nothing below the folder has changed; the names of what has are enough.
fn same(folder: &Path, before: &BTreeMap<String, Vec<u8>>) {
    let after = bytes(folder);
    let names = before.keys().chain(after.keys());
    let changed: Vec<_> = names.filter(|name| before.get(*name) != after.get(*name)).collect();
    assert!(changed.is_empty(), "{changed:?}");
}

fn sql(path: &Path, text: &str) {
    Connection::open(path).unwrap().execute_batch(text).unwrap();
}

#[test]
fn an_empty_file_is_refused() {
    refused(|path| fs::write(path, "").unwrap(), "the file is empty; it was left as it is");
}

#[test]
fn a_file_of_something_else_is_refused() {
    refused(|path| fs::write(path, "precious ".repeat(1000)).unwrap(), "not a file of Batchmill");
    refused(|path| fs::write(path, [0; 50]).unwrap(), "not a file of Batchmill");
}

#[test]
fn a_database_of_another_program_is_refused() {
    refused(|path| sql(path, "PRAGMA application_id = 7"), "not a file of Batchmill");
}

#[test]
fn a_later_version_is_refused() {
    refused(|path| sql(path, "PRAGMA user_version = 99"), "format 99, this one knows up to 1");
}

#[test]
fn a_file_that_was_cut_off_is_refused() {
    for share in [2, 4, 10] {
        let cut = |path: &Path| {
            let length = fs::metadata(path).unwrap().len();
            fs::File::options().write(true).open(path).unwrap().set_len(length - length / share).unwrap();
        };
        refused(cut, "it was left as it is: restore it, or remove its folder");
    }
}

#[test]
fn a_page_that_was_overwritten_is_refused() {
    let overwrite = |path: &Path| {
        let mut all = fs::read(path).unwrap();
        let middle = all.len() / 2 / 4096 * 4096;
        all[middle..middle + 4096].fill(0xA5);
        fs::write(path, all).unwrap();
    };
    refused(overwrite, "it was left as it is: restore it, or remove its folder");
}

#[test]
fn a_folder_without_a_database_is_told_and_left_alone() {
    let place = Place::new();
    let folder = place.state.folder(&id("b"));
    fs::create_dir(&folder).unwrap();
    let error = place.state.adopt(&id("b"), Durability::Fsync).unwrap_err().to_string();
    assert_eq!(error, format!("{}: No such file or directory (os error 2)", folder.join("batch.db").display()));
    same(&folder, &BTreeMap::new());
}

#[test]
fn a_batch_in_the_folder_of_another_is_refused() {
    let place = Place::new();
    drop(place.batch());
    let (from, to) = (place.state.folder(&id("b")), place.state.folder(&id("c")));
    fs::rename(&from, &to).unwrap();
    let error = place.state.adopt(&id("c"), Durability::Fsync).unwrap_err();
    assert!(error.to_string().contains("it is the batch b, in the folder of c"), "{error}");
}

#[test]
fn a_later_version_that_is_still_in_the_log_is_refused() {
    let place = Place::new();
    drop(place.batch());
    let folder = place.state.folder(&id("b"));
    let other = Connection::open(folder.join("batch.db")).unwrap();
    other.execute_batch("PRAGMA user_version = 99").unwrap();
    let before = (fs::read(folder.join("batch.db")).unwrap(), fs::read(folder.join("batch.db-wal")).unwrap());
    for error in [
        place.state.adopt(&id("b"), Durability::Fsync).map(drop).unwrap_err(),
        place.state.read(&id("b")).map(drop).unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Newer { found: 99, known: 1, .. }), "{error}");
    }
    assert_eq!((fs::read(folder.join("batch.db")).unwrap(), fs::read(folder.join("batch.db-wal")).unwrap()), before);
}

#[test]
fn a_catalogue_that_cannot_be_read_is_refused_with_its_own_mend_and_left_alone() {
    for (damage, expected) in [
        ("garbage", "not a file of Batchmill"),
        ("later", "written by a later version"),
        ("empty", "remove it, it is made again from the batches"),
    ] {
        let place = Place::new();
        drop(place.batch());
        let path = place.state.path().join("catalogue.db");
        match damage {
            "garbage" => fs::write(&path, "precious ".repeat(1000)).unwrap(),
            "later" => sql(&path, "PRAGMA user_version = 99"),
            _ => fs::write(&path, "").unwrap(),
        }
        let before = bytes(place.state.path());
        let error = StateDir::open(place.state.path()).unwrap_err().to_string();
        assert!(error.starts_with(&path.display().to_string()) && error.contains(expected), "{error}");
        same(place.state.path(), &before);
        fs::remove_file(&path).unwrap();
        assert_eq!(StateDir::open(place.state.path()).unwrap().list().unwrap().len(), 1);
    }
}
