//! The right to run an attempt, and what comes without it.

use batchmill_core::{Draw, ErrorClass, Outcome, Usage};
use batchmill_dispatch::{BatchKey, Event, Lease, SlotId};

use crate::rig::{Rig, jobs, setup};

fn ended(lease: Lease) -> Event {
    Event::AttemptEnded { lease, outcome: Outcome::Succeeded, usage: Usage::default(), draw: Draw::from_bits(0) }
}

#[test]
fn a_stale_lease_is_counted_and_dropped() {
    let mut rig = Rig::new(1);
    rig.open(setup(), jobs(1));
    let first = rig.leases[&(0, 0)];
    rig.fail(0, ErrorClass::Transient);
    rig.at(100);
    assert_eq!(rig.step(ended(first)), "", "the first attempt speaks up again");
    assert_eq!((rig.dispatch.totals().stale, rig.dispatch.totals().running), (1, 1));
    assert_eq!(rig.ok(0), "0 succeeded");
    let second = rig.leases[&(0, 0)];
    assert_eq!(rig.step(ended(second)), "", "an end is an end");
    assert_eq!(rig.answer(), "end of batch 0: Succeeded");
    assert_eq!(rig.step(ended(second)), "", "after the end of its batch too");
    assert_eq!(rig.dispatch.totals().stale, 3);
}

#[test]
fn a_lease_that_was_never_given_is_dropped() {
    let mut rig = Rig::new(1);
    rig.open(setup(), jobs(1));
    let made_up = [
        Lease { batch: BatchKey(0), index: 0, epoch: 0, slot: SlotId(0) },
        Lease { batch: BatchKey(0), index: 0, epoch: 1, slot: SlotId(77) },
        Lease { batch: BatchKey(9), index: 0, epoch: 1, slot: SlotId(0) },
        Lease { batch: BatchKey(0), index: 5, epoch: 1, slot: SlotId(0) },
    ];
    for lease in made_up {
        assert_eq!(rig.step(ended(lease)), "", "{lease:?}");
    }
    assert_eq!((rig.dispatch.totals().stale, rig.dispatch.totals().running), (4, 1));
}

#[test]
fn the_slot_that_reports_an_end_gets_the_next_start() {
    let mut rig = Rig::new(3);
    rig.open(setup(), jobs(5));
    let slot = rig.leases[&(0, 1)].slot;
    assert_eq!(rig.ok(1), "1 succeeded, start 3");
    assert_eq!(rig.leases[&(0, 3)].slot, slot);
}
