//! Held classes, and every call in any order, against the plain model.

use std::time::Duration;

use batchmill_core::{ClassId, MonoTime, Pick, Scheduler, Token, Usage};
use batchmill_scheduler_fair_share::{Charge, Options};
use proptest::prelude::*;

use crate::{job, model::Model, picks, with};

const SHARES: [&str; 6] = ["a", "b", "c/x", "c/y", "d/x/1", "d/y"];

fn weighted() -> Options {
    Options::default().charge(Charge::Cost).weight("a", 2.0).weight("c", 3.0).weight("c/y", 2.0).weight("d/x", 3.0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_call_answers_as_the_plain_model_does(
        calls in proptest::collection::vec((0_u8..12, 0_usize..12, 1_u8..4), 0..300),
    ) {
        let mut scheduler = with(&weighted());
        let mut model = Model::new(&[("a", 2), ("c", 3), ("c/y", 2), ("d/x", 3)]);
        let (mut next, mut running) = (0, Vec::new());
        for (call, number, cost) in calls {
            // Two classes a share.
            let (class, share) = (u32::try_from(number).unwrap(), SHARES[number / 2]);
            match call {
                0..5 => {
                    next += 1;
                    let mut job = job(next, share, class).queued(next / 8);
                    job.cost = f64::from(cost);
                    scheduler.push(job.entry());
                    model.push(next, share, class, cost.into());
                }
                5..8 => {
                    let expected = model.pop();
                    running.extend(expected);
                    let expected = expected.map_or(Pick::Empty, |token| Pick::Run(Token(token)));
                    prop_assert_eq!(scheduler.pop(MonoTime::ZERO), expected);
                }
                8 if !running.is_empty() => {
                    let token = running.swap_remove(number % running.len());
                    let ran = cost > 1;
                    scheduler.on_finish(Token(token), Usage::new(Duration::from_secs(u64::from(ran))));
                    model.finish(token, ran);
                }
                9 => {
                    let token = next.saturating_sub(number as u64);
                    prop_assert_eq!(scheduler.remove(Token(token)), model.remove(token));
                }
                10 => {
                    scheduler.hold(ClassId(class));
                    model.hold(class, true);
                }
                _ => {
                    scheduler.release(ClassId(class));
                    model.hold(class, false);
                }
            }
            prop_assert_eq!(scheduler.len(), model.len());
        }
        for class in 0..12 {
            scheduler.release(ClassId(class));
            model.hold(class, false);
        }
        let rest: Vec<u64> = std::iter::from_fn(|| model.pop()).collect();
        prop_assert_eq!(picks(&mut scheduler, 400), rest);
    }
}

#[test]
fn a_million_held_jobs_leave_the_decisions_to_the_others() {
    let mut scheduler = with(&weighted());
    (0..1_000_000).for_each(|token| scheduler.push(job(token, "a", 0).entry()));
    (2_000_000..2_000_010).for_each(|token| scheduler.push(job(token, "a", 1).entry()));
    (3_000_000..3_000_010).for_each(|token| scheduler.push(job(token, "b", 2).entry()));
    scheduler.hold(ClassId(0));
    let others = picks(&mut scheduler, 100);
    assert_eq!((others.len(), scheduler.len()), (20, 1_000_000));
    scheduler.release(ClassId(0));
    assert_eq!(picks(&mut scheduler, 3), [0, 1, 2]);
}

#[test]
fn time_for_which_a_share_was_held_is_not_made_up_for() {
    let mut scheduler = with(&Options::default().charge(Charge::Cost));
    (0..100).for_each(|token| scheduler.push(job(token, "held", 0).entry()));
    (200..400).for_each(|token| scheduler.push(job(token, "free", 1).entry()));
    scheduler.hold(ClassId(0));
    assert!(picks(&mut scheduler, 100).iter().all(|token| *token >= 200));
    scheduler.release(ClassId(0));
    assert_eq!(picks(&mut scheduler, 40).iter().filter(|token| **token < 200).count(), 20);
}
