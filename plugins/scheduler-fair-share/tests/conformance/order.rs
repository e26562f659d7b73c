//! Within a share: by priority and age. And what `explain` says.

use std::time::Duration;

use batchmill_core::{ClassId, MonoTime, Priority, Scheduler, Token};
use batchmill_scheduler_fair_share::{Charge, FairShare, Options};
use proptest::prelude::*;

use crate::{job, picks, with};

fn by_cost() -> Options {
    Options::default().charge(Charge::Cost)
}

#[test]
fn priority_counts_within_a_share_and_not_between_shares() {
    let mut scheduler = with(&by_cost());
    for token in 0..8 {
        let mut job = job(token, if token < 4 { "a" } else { "b" }, u32::try_from(token).unwrap());
        job.priority = Priority([0, 9, 5, 9, 0, 0, 0, 0][usize::try_from(token).unwrap()]);
        scheduler.push(job.entry());
    }
    assert_eq!(picks(&mut scheduler, 8), [1, 4, 3, 5, 2, 6, 0, 7]);
}

#[test]
fn waiting_makes_urgent_within_a_share() {
    for (step, expected) in [(60, [1, 0, 2]), (0, [2, 1, 0])] {
        let mut scheduler = with(&by_cost().age_step(Duration::from_secs(step)));
        for (token, (priority, queued)) in (0..).zip([(0, 0), (1, 59), (2, 120)]) {
            let mut job = job(token, "a", u32::from(priority)).queued(queued * 1_000_000_000);
            job.priority = Priority(priority);
            scheduler.push(job.entry());
        }
        assert_eq!(picks(&mut scheduler, 3), expected, "age_step {step} s");
    }
}

#[test]
fn classes_of_one_priority_keep_the_order_of_the_file() {
    let mut scheduler = with(&by_cost());
    (0..30).for_each(|token| scheduler.push(job(token, "a", token as u32 * 7 % 3).entry()));
    assert_eq!(picks(&mut scheduler, 30), (0..30).collect::<Vec<_>>());
}

fn told(scheduler: &FairShare, token: u64) -> (Option<u64>, String) {
    let position = scheduler.explain(Token(token), MonoTime::from_nanos(3_000_000_000)).unwrap();
    (position.ahead, position.reason)
}

#[test]
fn explain_tells_where_each_share_stands() {
    let mut scheduler = with(&by_cost().weight("research", 3.0).weight("research/bob", 0.5));
    for (class, share) in (0..).zip(["batch", "research/alice", "research/bob", "research"]) {
        (0..3).for_each(|n| scheduler.push(job(u64::from(class) * 10 + n, share, class).entry()));
    }
    assert_eq!(picks(&mut scheduler, 2), [0, 10]);
    let first = "share `batch` of weight 1 is 2 of 2; 1 of its share are before it (priority 0, queued 3.0s ago)";
    assert_eq!(told(&scheduler, 2), (None, first.to_owned()));
    let next = "share `research` of weight 3 is 1 of 2; share `research/bob` of weight 0.5 is 1 of 3 in `research`; \
                first of its share (priority 0, queued 3.0s ago)";
    assert_eq!(told(&scheduler, 20), (Some(0), next.to_owned()));
    let itself = "share `research` of weight 3 is 1 of 2; share `research` itself of weight 1 is 2 of 3 in `research`; \
                  2 of its share are before it (priority 0, queued 3.0s ago)";
    assert_eq!(told(&scheduler, 32), (None, itself.to_owned()));
    scheduler.hold(ClassId(0));
    let held = "its class is held; 1 of its share are before it (priority 0, queued 3.0s ago)";
    assert_eq!(told(&scheduler, 2), (None, held.to_owned()));
}

proptest! {
    /// Of one share the order is known, and `explain` tells the place in it.
    #[test]
    fn one_share_leaves_as_from_a_sorted_list_and_explain_tells_the_place(
        step in prop_oneof![Just(0_u64), 1_u64..20],
        jobs in proptest::collection::vec((0_u64..200, 0_u8..4), 1..80),
        removed in proptest::collection::vec(0_u64..80, 0..10),
    ) {
        let mut scheduler = with(&Options::default().age_step(Duration::from_nanos(step)));
        let mut sorted = Vec::new();
        for (token, (queued, priority)) in (0_u64..).zip(&jobs) {
            let mut job = job(token, "a", u32::from(*priority)).queued(*queued);
            job.priority = Priority(*priority);
            scheduler.push(job.entry());
            let (late, urgent) = (i128::from(*queued), i128::from(*priority));
            let rank = if step == 0 { (-urgent, late) } else { (late - urgent * i128::from(step), urgent) };
            sorted.push((rank, token));
        }
        for token in removed {
            let place = sorted.iter().position(|(_, t)| *t == token);
            prop_assert_eq!(scheduler.remove(Token(token)), place.is_some());
            place.map(|place| sorted.remove(place));
        }
        sorted.sort_unstable();
        for (place, (_, token)) in (0_u64..).zip(&sorted) {
            prop_assert_eq!(told(&scheduler, *token).0, Some(place));
        }
        let order = picks(&mut scheduler, 100);
        prop_assert_eq!(order, sorted.into_iter().map(|(_, token)| token).collect::<Vec<_>>());
    }
}
