//! What shares used, kept for other hosts.

use std::{thread, time::Duration};

use batchmill_core::{ShareUsage, UsageMemory, WallTime};
use batchmill_store_sqlite::StateDir;

use crate::support::{Place, accepted};

const DAY: Duration = Duration::from_secs(86_400);

fn memory(half_life: Duration) -> UsageMemory {
    UsageMemory::new("seconds", half_life)
}

fn used(amounts: &[(&str, f64)]) -> Vec<ShareUsage> {
    amounts.iter().map(|(share, amount)| ShareUsage::new(*share, *amount)).collect()
}

#[track_caller]
fn recalls(state: &StateDir, memory: UsageMemory, now: WallTime, expected: &[(&str, f64)]) {
    let recalled = state.recall_usage(memory, now).unwrap();
    let names: Vec<&str> = recalled.iter().map(|used| used.share.as_str()).collect();
    assert_eq!(names, expected.iter().map(|(share, _)| *share).collect::<Vec<_>>());
    for (recalled, (share, amount)) in recalled.iter().zip(expected) {
        // A sixteenth of a half-life is one moment.
        assert!((recalled.amount / amount - 1.0).abs() < 0.022, "`{share}` used {}, not {amount}", recalled.amount);
    }
}

#[test]
fn what_was_used_counts_half_after_each_half_life() {
    let place = Place::new();
    place.state.add_usage(memory(DAY), accepted(), &used(&[("org/a", 600.0), ("b", 64.0)])).unwrap();
    place.state.add_usage(memory(DAY), accepted() + DAY * 2, &used(&[("b", 48.0)])).unwrap();
    recalls(&place.state, memory(DAY), accepted() + DAY * 2, &[("b", 64.0), ("org/a", 150.0)]);
    recalls(&place.state, memory(DAY), accepted() + DAY * 5, &[("b", 8.0), ("org/a", 18.75)]);
    // A host that remembers for longer sees more of the same.
    recalls(&place.state, memory(DAY * 2), accepted() + DAY * 2, &[("b", 80.0), ("org/a", 300.0)]);
}

#[test]
fn hosts_add_and_overwrite_nothing() {
    let place = Place::new();
    let path = place.state.path().to_path_buf();
    let hosts: Vec<_> = (0..4)
        .map(|host| {
            let path = path.clone();
            // Each opens the directory itself, as another process does.
            thread::spawn(move || {
                let half_life = if host % 2 == 0 { DAY } else { DAY * 7 };
                for part in 0..25_u32 {
                    let state = StateDir::open(&path).unwrap();
                    let now = accepted() + Duration::from_secs(60) * part;
                    state.add_usage(memory(half_life), now, &used(&[("a", 1.0), ("b", 2.0)])).unwrap();
                }
            })
        })
        .collect();
    hosts.into_iter().for_each(|host| host.join().unwrap());
    let now = accepted() + Duration::from_secs(60 * 25);
    recalls(&place.state, memory(DAY * 30), now, &[("a", 100.0), ("b", 200.0)]);
    let other = UsageMemory::new("cost", DAY);
    recalls(&place.state, other, now, &[]);
}

#[test]
fn what_counts_next_to_nothing_is_removed_and_rows_are_few() {
    let place = Place::new();
    // Eight times a day for forty days.
    for part in 0..8 * 40 {
        let now = accepted() + DAY / 8 * part;
        place.state.add_usage(memory(DAY), now, &used(&[("a", 1.0)])).unwrap();
    }
    let end = accepted() + DAY * 40;
    recalls(&place.state, memory(DAY), end, &[("a", 8.0 / std::f64::consts::LN_2)]);
    let catalogue = rusqlite::Connection::open(place.state.path().join("catalogue.db")).unwrap();
    let (rows, amount): (i64, f64) = catalogue
        .query_row("SELECT count(*), sum(amount) FROM usage", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!((rows, amount), (256, 256.0), "32 half-lives are kept");
}

#[test]
fn amounts_that_are_none_are_not_written() {
    let place = Place::new();
    let odd = used(&[("a", 0.0), ("b", -1.0), ("c", f64::NAN), ("d", f64::INFINITY), ("", 3.0), ("ünï/🦀", 4.0)]);
    place.state.add_usage(memory(DAY), accepted(), &odd).unwrap();
    recalls(&place.state, memory(DAY), accepted(), &[("", 3.0), ("ünï/🦀", 4.0)]);
}

#[test]
fn a_catalogue_from_before_is_brought_up_and_can_be_read_meanwhile() {
    let place = Place::new();
    drop(place.state.create(crate::support::new("nightly")).unwrap());
    let path = place.state.path().join("catalogue.db");
    let catalogue = rusqlite::Connection::open(&path).unwrap();
    catalogue.execute_batch("DROP TABLE usage; PRAGMA user_version = 1").unwrap();
    drop(catalogue);
    assert_eq!(place.state.list().unwrap().len(), 1);
    place.state.add_usage(memory(DAY), accepted(), &used(&[("a", 1.0)])).unwrap();
    recalls(&place.state, memory(DAY), accepted(), &[("a", 1.0)]);
    assert_eq!(place.state.find("nightly").unwrap().id.as_str(), "nightly");
}
