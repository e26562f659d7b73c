//! What the next host finds when everything stopped at once: the files as they lay there, or less than that.

use std::{fs, path::Path};

use batchmill_store_sqlite::{Durability, StateDir};

use crate::support::{Calls, Place, ended, failed, id, new, ok};

/// Groups of results: whole or not at all.
const GROUPS: u64 = 12;
const EACH: u64 = 20;

/// A batch that runs, with [`GROUPS`] groups of results in its log.
fn running(place: &Place, durability: Durability) -> batchmill_store_sqlite::Batch {
    let mut new = new("b");
    new.durability = durability;
    let batch = place.state.create(new).unwrap();
    let calls = Calls::of(&batch);
    for group in 0..GROUPS {
        let places = group * EACH..group * EACH + EACH;
        calls.recorded(vec![ended(places.map(|place| if place % 7 == 0 { failed(place) } else { ok(place) }))]);
    }
    batch
}

/// The files of a running batch as a kill would leave them, in a state directory of their own.
fn copy(from: &Path, to: &Path) -> StateDir {
    let folder = to.join("batches/b");
    fs::create_dir_all(&folder).unwrap();
    // The index of the log is memory that is shared: a machine that stops forgets it, and it is made again.
    for file in ["batch.db", "batch.db-wal", "lock", "slots"] {
        fs::copy(from.join(file), folder.join(file)).unwrap();
    }
    StateDir::open(to).unwrap()
}

#[test]
fn what_was_answered_is_there_after_a_kill() {
    for durability in [Durability::Buffered, Durability::Fsync] {
        let (place, other) = (Place::new(), tempfile::tempdir().unwrap());
        let batch = running(&place, durability);
        batch.starts().started(3, 999);
        let after = copy(batch.folder(), other.path()).adopt(&id("b"), durability).unwrap();
        assert_eq!(Calls::of(&after).results(), Calls::of(&batch).results());
        assert_eq!(Calls::of(&after).results().len() as u64, GROUPS * EACH);
        assert_eq!(after.lost(), [(999, 1)]);
        Calls::of(&after).recorded(vec![ended([ok(999)])]);
    }
}

#[test]
fn the_first_results_make_the_log_no_longer() {
    let place = Place::new();
    let batch = place.state.create(new("b")).unwrap();
    let length = || fs::metadata(batch.folder().join("batch.db-wal")).unwrap().len();
    let before = length();
    // So many pages the first result of a small batch writes, and more: a sync of them alone is a sync of data alone.
    assert!(before >= 8 * 4096, "{before}");
    Calls::of(&batch).recorded(vec![ended([ok(0)])]);
    assert_eq!(length(), before);
    assert_eq!(Calls::of(&batch).results().len(), 1);
}

#[test]
fn wherever_the_log_was_cut_off_whole_groups_are_left_and_the_batch_goes_on() {
    let place = Place::new();
    let batch = running(&place, Durability::Buffered);
    let all = Calls::of(&batch).results();
    let length = fs::metadata(batch.folder().join("batch.db-wal")).unwrap().len();
    let mut seen = Vec::new();
    for cut in (0..60).map(|share| length * share / 60) {
        let other = tempfile::tempdir().unwrap();
        let state = copy(batch.folder(), other.path());
        let log = other.path().join("batches/b/batch.db-wal");
        fs::File::options().write(true).open(&log).unwrap().set_len(cut).unwrap();
        let after = state.adopt(&id("b"), Durability::Fsync).unwrap();
        let left = Calls::of(&after).results();
        assert_eq!(left.len() as u64 % EACH, 0, "a group was cut in two at {cut} of {length}");
        assert_eq!(left, all[..left.len()], "at {cut}");
        seen.push(left.len());
        let rest = all[left.len()..].to_vec();
        Calls::of(&after).recorded(vec![ended(rest)]);
        assert_eq!(Calls::of(&after).results(), all);
        assert_eq!(state.read(&id("b")).unwrap().counts().unwrap().ended(), GROUPS * EACH);
    }
    assert!(
        seen.is_sorted() && seen[0] == 0 && seen.windows(2).filter(|pair| pair[0] < pair[1]).count() > 5,
        "{seen:?}"
    );
}

#[test]
fn what_the_disk_made_of_the_end_of_the_log_is_not_taken_for_results() {
    let place = Place::new();
    let batch = running(&place, Durability::Buffered);
    let all = Calls::of(&batch).results();
    let bytes = fs::read(batch.folder().join("batch.db-wal")).unwrap();
    for share in 1..20 {
        let other = tempfile::tempdir().unwrap();
        let state = copy(batch.folder(), other.path());
        let mut torn = bytes.clone();
        let at = bytes.len() * share / 20 / 512 * 512;
        let end = torn.len().min(at + 512);
        torn[at..end].fill(0);
        fs::write(other.path().join("batches/b/batch.db-wal"), torn).unwrap();
        let after = state.adopt(&id("b"), Durability::Fsync).unwrap();
        let left = Calls::of(&after).results();
        assert_eq!(left.len() as u64 % EACH, 0, "at {at}");
        assert_eq!(left, all[..left.len()], "at {at}");
    }
}
