//! Who comes, or comes back, starts level with those who are there.

use std::time::Duration;

use batchmill_core::{MonoTime, Scheduler, Token, Usage};
use batchmill_scheduler_fair_share::{Charge, FairShare, Options};

use crate::{job, machine::Machine, picks, with};

const MS: Duration = Duration::from_millis(1);

fn queue(machine: &mut Machine<FairShare>, share: &str, class: u32, tokens: std::ops::Range<u64>, length: Duration) {
    tokens.for_each(|token| machine.push(job(token, share, class), length));
}

#[test]
fn a_single_job_waits_for_one_of_a_tenant_with_a_million() {
    for (slots, jobs) in [(1, 10_000), (4, 1_000_000)] {
        let mut machine = Machine::new(with(&Options::default().weight("heavy", 100.0)), slots);
        queue(&mut machine, "heavy", 0, 0..jobs, 10 * MS);
        machine.start(2000);
        // Not once, but each time that the tenant has one.
        for token in 2_000_000..2_000_020 {
            let pushed = machine.now;
            queue(&mut machine, "light", 1, token..token + 1, MS);
            while !machine.starts.contains_key(&token) {
                machine.step();
            }
            let waited = machine.starts[&token].since(pushed);
            assert!(waited <= 10 * MS, "it waited {waited:?} with {slots} slots");
            // Until its pass is no longer ahead of the others.
            machine.start(200);
        }
    }
}

#[test]
fn who_was_away_gets_no_more_than_who_was_not() {
    let mut machine = Machine::new(with(&Options::default()), 2);
    queue(&mut machine, "back", 1, 0..10, MS);
    queue(&mut machine, "always", 0, 100..30_000, MS);
    machine.start(10_020);
    let (always, back) = (machine.started["always"], machine.started["back"]);
    assert_eq!((always, back), (10_010, 10));
    queue(&mut machine, "back", 1, 40_000..45_000, MS);
    queue(&mut machine, "new", 2, 50_000..55_000, MS);
    machine.start(300);
    for share in ["back", "new"] {
        let started = machine.started[share] - if share == "back" { back } else { 0 };
        assert!(started.abs_diff(100) <= 2, "{share} got {started} of 300 starts");
    }
}

#[test]
fn who_used_an_idle_machine_alone_is_not_punished_for_it() {
    let mut machine = Machine::new(with(&Options::default()), 4);
    queue(&mut machine, "alone", 0, 0..5_000, 10 * MS);
    machine.start(3_000);
    queue(&mut machine, "late", 1, 10_000..15_000, 10 * MS);
    machine.start(200);
    let late = machine.started["late"];
    assert!(late.abs_diff(100) <= 4, "late got {late} of 200 starts");
}

#[test]
fn who_comes_and_goes_gets_no_more_than_its_share() {
    // `visitor` has one job at a time, and the next one the moment that it has ended.
    let mut machine = Machine::new(with(&Options::default()), 1);
    queue(&mut machine, "busy", 0, 0..3_000, MS);
    for token in 10_000..10_500 {
        queue(&mut machine, "visitor", 1, token..token + 1, MS);
        while !machine.starts.contains_key(&token) {
            machine.step();
        }
    }
    let (busy, visitor) = (machine.started["busy"], machine.started["visitor"]);
    assert!(busy.abs_diff(visitor) <= 2, "busy was started {busy} times, the visitor {visitor} times");
}

#[test]
fn who_comes_while_a_thousand_unknown_jobs_run_does_not_pay_for_guesses_about_them() {
    let mut machine = Machine::new(with(&Options::default()), 1000);
    for share in 0..10 {
        let first = u64::from(share) * 10_000;
        queue(&mut machine, &format!("early {share}"), share, first..first + 5_000, MS);
    }
    machine.step();
    queue(&mut machine, "newcomer", 10, 200_000..205_000, MS);
    machine.start(11_000);
    let newcomer = machine.started["newcomer"];
    assert!((900..1_200).contains(&newcomer), "the newcomer got {newcomer} of 11000 starts");
}

#[test]
fn a_refund_reaches_back_to_when_a_share_joined_and_no_further() {
    let mut machine = Machine::new(with(&Options::default()), 1);
    let cost = |token, share, class, cost| {
        let mut job = job(token, share, class);
        job.cost = cost;
        job
    };
    // One attempt teaches what a cost of 1 takes; then `dear` is charged for an hour, goes away, and others run.
    machine.push(job(0, "other", 0), 1000 * MS);
    machine.step();
    machine.scheduler.push(cost(1, "dear", 1, 3600.0).entry());
    assert_eq!(picks(&mut machine.scheduler, 1), [1]);
    queue(&mut machine, "other", 0, 100..10_000, 1000 * MS);
    machine.start(5_000);
    // Back with jobs to start, and only now the hour turns out to have been nothing.
    queue(&mut machine, "dear", 1, 20_000..30_000, 1000 * MS);
    machine.start(20);
    machine.scheduler.on_finish(Token(1), Usage::new(MS));
    let before = machine.started.clone();
    machine.start(200);
    let dear = machine.started["dear"] - before.get("dear").copied().unwrap_or(0);
    assert!((100..=125).contains(&dear), "dear got {dear} of 200 starts after its refund");
}

#[test]
fn what_was_picked_and_given_back_is_not_charged() {
    for charge in [Charge::Time, Charge::Cost] {
        let mut scheduler = with(&Options::default().charge(charge));
        (0..10).for_each(|token| scheduler.push(job(token, "paused", 0).entry()));
        let parked = picks(&mut scheduler, 8);
        (100..140).for_each(|token| scheduler.push(job(token, "other", 1).entry()));
        for token in parked {
            scheduler.on_finish(Token(token), Usage::default());
            scheduler.push(job(token, "paused", 0).entry());
        }
        // Not eight of its own first, although the other joined when it was eight ahead.
        let next = picks(&mut scheduler, 16);
        let paused = next.iter().filter(|token| **token < 10).count();
        assert!(paused == 8 || paused == 9, "{charge:?}: {next:?}");
        assert!(next[..4].iter().any(|token| *token >= 100), "{charge:?}: {next:?}");
    }
}

#[test]
fn jobs_that_take_no_time_at_all_take_turns() {
    let mut scheduler = with(&Options::default());
    (0..30).for_each(|token| scheduler.push(job(token, ["a", "b", "c"][token as usize % 3], token as u32 % 3).entry()));
    let mut order = Vec::new();
    for _ in 0..9 {
        let next = picks(&mut scheduler, 1)[0];
        scheduler.on_finish(Token(next), Usage::default());
        order.push(next);
    }
    assert_eq!(order, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn an_end_that_nobody_waits_for_changes_nothing() {
    let mut scheduler = with(&Options::default());
    scheduler.on_finish(Token(7), Usage::new(MS));
    scheduler.push(job(7, "a", 0).entry());
    scheduler.on_finish(Token(7), Usage::new(MS));
    assert_eq!((scheduler.len(), scheduler.pop(MonoTime::ZERO)), (1, batchmill_core::Pick::Run(Token(7))));
}
