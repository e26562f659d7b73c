//! Whose jobs run, for who comes after a host that was killed.

use std::collections::BTreeMap;

use batchmill_testkit::journal::Noted;

use crate::{at_once, deaf, gated, mill, settle};

use super::{Storage, sorted};

#[tokio::test]
async fn a_start_is_noted_before_the_attempt_and_taken_back_when_the_slot_rests() {
    let (storage, (workload, census, gate)) = (Storage::new(), gated());
    let handle = mill(2).open(storage.opening(workload, 3, vec![]));
    settle().await;
    assert_eq!((census.running(), storage.starts.running()), (2, BTreeMap::from([(0, 0), (1, 1)])));
    gate.add_permits(1);
    settle().await;
    let running: Vec<u64> = storage.starts.running().into_values().collect();
    assert!(running.len() == 2 && running.contains(&2), "{running:?}");
    gate.add_permits(2);
    handle.wait().await;
    assert_eq!(storage.starts.running(), BTreeMap::new());
    assert!(!storage.starts.noted().contains(&Noted::Stopped));
}

#[tokio::test]
async fn every_attempt_is_noted_however_fast() {
    let (storage, (workload, _)) = (Storage::new(), at_once());
    mill(4).open(storage.opening(workload, 1000, vec![])).wait().await;
    let noted = storage.starts.noted();
    let places = noted.iter().filter_map(|n| if let Noted::Started { place, .. } = n { Some(*place) } else { None });
    assert_eq!(sorted(places.collect()), super::upto(1000));
    assert_eq!(storage.starts.running(), BTreeMap::new());
}

#[tokio::test]
async fn a_slot_that_goes_to_another_batch_is_taken_back_from_the_first() {
    let (first, second) = (Storage::new(), Storage::new());
    let ((one, _, of_one), (other, _, of_other)) = (gated(), gated());
    let mill = mill(1);
    let handles = [mill.open(first.opening(one, 1, vec![])), mill.open(second.opening(other, 2, vec![]))];
    settle().await;
    of_one.add_permits(1);
    settle().await;
    assert_eq!((first.starts.running(), second.starts.running()), (BTreeMap::new(), BTreeMap::from([(0, 0)])));
    of_other.add_permits(2);
    for handle in handles {
        handle.wait().await;
    }
    assert_eq!(second.starts.running(), BTreeMap::new());
}

#[tokio::test]
async fn a_kill_is_no_crash_of_what_runs() {
    let (storage, (workload, _)) = (Storage::new(), deaf());
    let mill = mill(2);
    let handle = mill.open(storage.opening(workload, 2, vec![]));
    settle().await;
    assert_eq!(storage.starts.running().len(), 2);
    mill.kill();
    assert!(storage.starts.noted().contains(&Noted::Stopped), "said at once: the host may be gone before they are");
    handle.wait().await;
}
