//! A store that is full, breaks, or belongs to another host.

use batchmill_core::{Outcome, Pause};
use batchmill_dispatch::{BatchKey, Event, JournalFailure};

use crate::rig::{Rig, jobs, setup};

const BATCH: BatchKey = BatchKey(0);

fn full(rig: &mut Rig, why: Option<&str>) -> String {
    rig.step(Event::StorageFull { batch: BATCH, why: why.map(str::to_owned) })
}

#[test]
fn a_batch_whose_store_is_full_starts_nothing_and_goes_on_by_itself() {
    let mut rig = Rig::new(1);
    rig.open(setup(), jobs(2));
    rig.open(setup(), jobs(1));
    assert_eq!(full(&mut rig, Some("no space left")), "", "what runs goes on");
    assert_eq!(rig.dispatch.paused(BATCH), Some(Pause::StorageFull("no space left".to_owned())));
    assert_eq!(rig.explain(1), "pending: the store is full: no space left");
    assert_eq!(rig.ok(0), "0 succeeded, start 1/0", "others have stores of their own");
    assert_eq!(rig.end_in(1, 0, Outcome::Succeeded), "1/0 succeeded");
    assert_eq!(full(&mut rig, None), "start 1");
    assert_eq!(rig.dispatch.paused(BATCH), None);
}

#[test]
fn a_person_and_a_full_store_pause_a_batch_each_for_itself() {
    let mut rig = Rig::new(1);
    rig.open(setup(), jobs(2));
    full(&mut rig, Some("no space left"));
    assert_eq!(rig.pause(true), "pausing by request");
    rig.ok(0);
    assert_eq!(full(&mut rig, None), "", "a person still wants it");
    assert_eq!(rig.dispatch.paused(BATCH), Some(Pause::Requested));
    full(&mut rig, Some("no space left"));
    assert_eq!(rig.pause(false), "going on", "as far as the person is concerned");
    assert_eq!(rig.explain(1), "pending: the store is full: no space left");
    assert_eq!(full(&mut rig, None), "start 1");
}

#[test]
fn a_batch_that_another_host_owns_ends_without_a_word_more() {
    let mut rig = Rig::new(2);
    rig.open(setup(), jobs(3));
    rig.ok(0);
    let failed = |failure| Event::JournalFailed { batch: BATCH, failure };
    assert_eq!(rig.step(failed(JournalFailure::Fenced)), "stop 2, stop 1");
    assert_eq!(rig.step(failed(JournalFailure::Broken("gone".into()))), "", "the first counts");
    assert_eq!(rig.end(1, Outcome::Stopped), "");
    assert_eq!(rig.explain(1), "pending: another host owns the batch");
    assert_eq!(rig.end(2, Outcome::Stopped), "end of batch 0: Fenced");
    assert_eq!(rig.dispatch.totals().unanswered, 0);
}

#[test]
fn a_journal_that_breaks_ends_the_batch_with_its_message() {
    let mut rig = Rig::new(1);
    rig.open(setup(), jobs(1));
    let failure = JournalFailure::Broken("the disk is gone".into());
    assert_eq!(rig.step(Event::JournalFailed { batch: BATCH, failure }), "stop 0");
    assert_eq!(rig.end(0, Outcome::Stopped), "end of batch 0: storage failed, the disk is gone");
}
