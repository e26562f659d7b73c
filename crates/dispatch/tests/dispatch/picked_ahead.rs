//! A scheduler whose calls are dear picks at once for all ends that come together.

use std::{
    num::NonZeroU64,
    sync::{Arc, Mutex},
};

use batchmill_core::ErrorClass;
use batchmill_dispatch::Event;

use crate::{
    rig::{Rig, jobs, settings, setup},
    schedulers::Dear,
};

const AT_ONCE: u32 = 3;

/// Ten jobs of which three run, and how the scheduler was asked for others since then.
fn running(unanswered: u64) -> (Rig, Arc<Mutex<Vec<usize>>>) {
    let scheduler = Dear::default();
    let asked = Arc::clone(&scheduler.asked);
    let mut settings = settings(AT_ONCE);
    settings.unanswered_limit = NonZeroU64::new(unanswered).unwrap();
    let mut rig = Rig::under(settings, Box::new(scheduler));
    assert_eq!(rig.open(setup(), jobs(10)), "start 0, start 1, start 2");
    asked.lock().unwrap().clear();
    (rig, asked)
}

/// Ends come together, as a body hands them over.
fn together(rig: &mut Rig, ends: impl FnOnce(&mut Rig) -> Vec<String>) -> Vec<String> {
    assert!(rig.dispatch.picks_ahead(false));
    rig.dispatch.expect_ends(AT_ONCE as usize);
    let said = ends(rig);
    rig.dispatch.settle();
    assert!(rig.dispatch.is_settled());
    said
}

fn starts(said: &[String]) -> Vec<&str> {
    said.iter().flat_map(|said| said.split(", ")).filter(|effect| effect.starts_with("start")).collect()
}

#[test]
fn ends_that_come_together_are_one_question() {
    let (mut rig, asked) = running(100);
    let said = together(&mut rig, |rig| (0..3).map(|job| rig.ok(job)).collect());
    assert_eq!(starts(&said), ["start 3", "start 4", "start 5"]);
    assert!(said[0].contains("start 3") && said[2].contains("start 5"), "each in the step of its slot: {said:?}");
    assert_eq!(*asked.lock().unwrap(), [3]);
    // And one that comes alone is asked for alone.
    assert!(rig.ok(3).contains("start 6"));
    assert_eq!(*asked.lock().unwrap(), [3, 1]);
}

#[test]
fn no_more_is_picked_ahead_than_may_start() {
    let (mut rig, asked) = running(2);
    let said = together(&mut rig, |rig| (0..3).map(|job| rig.ok(job)).collect());
    assert_eq!(starts(&said), ["start 3"], "then two records are unanswered");
    assert_eq!((rig.dispatch.totals().queued, asked.lock().unwrap().as_slice()), (6, [1].as_slice()));
    assert_eq!(starts(&[rig.answer()]), ["start 4", "start 5"]);
}

#[test]
fn what_was_picked_ahead_and_may_not_start_goes_back_to_its_place() {
    let (mut rig, asked) = running(100);
    let said = together(&mut rig, |rig| {
        let first = rig.ok(0);
        rig.step(Event::Crowded { crowded: true });
        vec![first, rig.ok(1), rig.ok(2)]
    });
    assert_eq!(starts(&said), ["start 3"], "then there is no room for records");
    assert_eq!((rig.dispatch.totals().queued, asked.lock().unwrap().as_slice()), (6, [3].as_slice()));
    assert_eq!(starts(&[rig.step(Event::Crowded { crowded: false })]), ["start 4", "start 5"]);
    assert_eq!(rig.dispatch.totals().scheduler_faults, 0);
}

#[test]
fn an_end_that_stops_the_batch_ends_what_was_picked_ahead_too() {
    let (mut rig, _) = running(100);
    let said = together(&mut rig, |rig| vec![rig.ok(0), rig.fail(1, ErrorClass::Fatal)]);
    assert_eq!(starts(&said), ["start 3"]);
    assert_eq!(rig.dispatch.totals().queued, 0);
    let mut ended: Vec<u32> = rig.records.iter().map(|record| record.index).collect();
    ended.sort_unstable();
    assert_eq!(ended, [0, 1, 4, 5, 6, 7, 8, 9], "those that do not run have an end, each one");
}
