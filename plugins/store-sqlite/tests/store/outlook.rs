//! What somebody sees who looks at a batch from outside.

use std::time::Duration;

use batchmill_core::{JournalEvent, Pause, Position, Setback, StopReason};

use crate::support::{Calls, Place, accepted, ended, failed, id, ok};

#[test]
fn what_waits_for_the_next_host_is_told_until_it_is_over() {
    let place = Place::new();
    let batch = place.batch();
    let calls = Calls::of(&batch);
    let reader = place.state.read(&id("b")).unwrap();
    let outlook = reader.outlook().unwrap();
    assert_eq!((outlook.lost, outlook.next_due, outlook.paused), (0, None, None));

    let due = |seconds| accepted() + Duration::from_secs(seconds);
    let setback = |place, seconds| JournalEvent::Retrying(Box::new(Setback::new(place, accepted(), due(seconds))));
    let lost = |place| JournalEvent::Lost { place, crashes: 1, at: accepted() };
    let rule = Pause::Rule(StopReason::new("pause,fail=1", "1 of 10 jobs failed"));
    calls.recorded(vec![setback(1, 60), setback(2, 30), lost(3), lost(4)]);
    calls.recorded(vec![JournalEvent::Paused(Some(Pause::Requested)), JournalEvent::Paused(Some(rule.clone()))]);
    let outlook = reader.outlook().unwrap();
    assert_eq!((outlook.lost, outlook.next_due, outlook.paused), (2, Some(due(30)), Some(rule)));

    calls.recorded(vec![ended([ok(2), failed(3)]), JournalEvent::Paused(None)]);
    let outlook = reader.outlook().unwrap();
    assert_eq!((outlook.lost, outlook.next_due, outlook.paused), (1, Some(due(60)), None));
}

#[test]
fn failures_are_read_in_pages_without_the_others() {
    let place = Place::new();
    let batch = place.batch();
    let calls = Calls::of(&batch);
    let results = (0..10).map(|place| if place % 3 == 0 { failed(place) } else { ok(place) });
    calls.recorded(vec![ended(results)]);
    let reader = place.state.read(&id("b")).unwrap();
    let first = reader.failures(Position(0), 3).unwrap();
    assert_eq!(first.iter().map(|(_, result)| result.sequence).collect::<Vec<_>>(), [0, 3, 6]);
    let rest = reader.failures(first[2].0, 3).unwrap();
    assert_eq!(rest.iter().map(|(_, result)| result.sequence).collect::<Vec<_>>(), [9]);
}

#[test]
fn what_ran_when_a_host_died_is_told_before_the_next_one_counts_it() {
    let place = Place::new();
    let batch = place.batch();
    let (calls, starts) = (Calls::of(&batch), batch.starts());
    starts.started(0, 7);
    starts.started(1, 8);
    calls.recorded(vec![ended([ok(8)])]);
    drop((calls, starts, batch));
    let reader = place.state.read(&id("b")).unwrap();
    assert_eq!((reader.left_running().unwrap(), reader.outlook().unwrap().lost), (vec![7], 0));
    drop(place.again());
    assert_eq!((reader.left_running().unwrap(), reader.outlook().unwrap().lost), (vec![], 1));
}
