//! Weights that change while jobs wait.

use std::time::Duration;

use batchmill_core::{MonoTime, Scheduler, Shares};
use batchmill_scheduler_fair_share::{Charge, FairShare, Options};

use crate::{job, machine::Machine, picks, with};

fn by_cost() -> Options {
    Options::default().charge(Charge::Cost)
}

fn three(options: &Options) -> FairShare {
    let mut scheduler = with(options);
    for (class, share) in (0..).zip(["a", "b/x", "b/y"]) {
        (0..500).for_each(|n| scheduler.push(job(u64::from(class) * 1000 + n, share, class).entry()));
    }
    scheduler
}

fn of_each(picked: &[u64]) -> [usize; 3] {
    [0, 1, 2].map(|class| picked.iter().filter(|token| **token / 1000 == class).count())
}

#[test]
fn a_weight_changes_at_every_level_of_the_tree() {
    let mut scheduler = three(&by_cost());
    assert_eq!(of_each(&picks(&mut scheduler, 40)), [20, 10, 10]);
    scheduler.set_weight("b", 3.0).unwrap();
    scheduler.set_weight("b/y", 2.0).unwrap();
    assert_eq!(of_each(&picks(&mut scheduler, 40)), [10, 10, 20]);
    scheduler.set_weight("b", 1.0).unwrap();
    scheduler.set_weight("a", 9.0).unwrap();
    assert_eq!(of_each(&picks(&mut scheduler, 40))[0], 36);
}

#[test]
fn a_weight_can_be_set_before_there_is_a_job() {
    let mut scheduler = with(&by_cost());
    scheduler.set_weight("b/x", 3.0).unwrap();
    (0..40).for_each(|token| scheduler.push(job(token, ["b/x", "b/y"][token as usize % 2], token as u32 % 2).entry()));
    assert_eq!(picks(&mut scheduler, 20).iter().filter(|token| **token % 2 == 0).count(), 15);
}

#[test]
fn who_is_given_more_does_not_wait_for_what_it_owed_with_less() {
    let mut scheduler = three(&by_cost().weight("a", 0.001));
    // One job of `a` puts it a thousand jobs of the others back.
    let first = picks(&mut scheduler, 10);
    assert_eq!(of_each(&first)[0], 1);
    scheduler.set_weight("a", 1.0).unwrap();
    let next = of_each(&picks(&mut scheduler, 40));
    assert!(next[0].abs_diff(20) <= 1, "{next:?}");
}

#[test]
fn time_charged_by_an_old_weight_is_corrected_and_shares_settle_at_the_new_one() {
    let mut machine = Machine::new(with(&Options::default()), 8);
    for token in 0..40_000 {
        let share = token % 2;
        machine.push(job(token, ["a", "b"][share as usize], share as u32), Duration::from_millis(3 + token % 7));
    }
    machine.start(4_000);
    machine.scheduler.set_weight("b", 4.0).unwrap();
    let before = machine.used.clone();
    machine.start(10_000);
    let [a, b] = ["a", "b"].map(|share| (machine.used[share] - before[share]).as_secs_f64());
    assert!((b / a / 4.0 - 1.0).abs() < 0.03, "{a} s against {b} s");
}

#[test]
fn weights_are_refused_as_in_the_config() {
    let mut scheduler = three(&by_cost());
    let mend = "to keep a tenant from running, do not submit its jobs";
    for (share, weight, why) in [
        ("a", -1.0, "a weight must be 0.000001 to 1000000, found -1"),
        ("a", f64::NAN, "a weight must be 0.000001 to 1000000, found NaN"),
        ("a", 0.0, &format!("a weight must be above 0 (0.000001 to 1000000), found 0; {mend}")),
        ("a/", 1.0, "a share is a path such as `org/team`, without empty parts"),
    ] {
        assert_eq!(scheduler.set_weight(share, weight), Err(why.to_owned()));
    }
    assert_eq!(of_each(&picks(&mut scheduler, 40)), [20, 10, 10]);
    assert!(scheduler.explain(batchmill_core::Token(499), MonoTime::ZERO).unwrap().reason.contains("of weight 1 "));
}
