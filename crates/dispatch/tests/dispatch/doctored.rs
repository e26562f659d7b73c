//! The proof that the simulation can fail: what is broken on purpose is tolerated by dispatch, or seen by the model.

use std::time::Duration;

use batchmill_core::{MonoTime, Status};
use batchmill_dispatch::{Effect, Record};

use crate::{
    model::{At, Order},
    schedulers::{Manner, Plain},
    world::{Doctor, Lie, Under, World, is_limited, some_job},
};

const LIVES: u64 = 60;
const STEPS: u32 = 150;

fn plain_world(seed: u64) -> World {
    World::new(seed, Under { inner: Box::new(Plain::default()), manner: Manner::Honest, order: None })
}

/// What the model says of lives under a scheduler that has bad manners.
fn under(manner: Manner) -> Vec<String> {
    let fifo = || Box::new(batchmill_scheduler_fifo::Fifo::new());
    let life = |seed| World::new(seed, Under { inner: fifo(), manner, order: None }).live(STEPS).err();
    (0..LIVES).filter_map(life).collect()
}

/// What the model says when a doctor changes the effects.
fn with(doctor: fn() -> Doctor) -> Vec<String> {
    let life = |seed| {
        let mut world = plain_world(seed);
        world.doctor = Some(doctor());
        world.live(STEPS).err()
    };
    (0..LIVES).filter_map(life).collect()
}

/// At least one life in four shows it, and one says it in these words.
fn must_be_seen(violations: &[String], words: &str) {
    must_be_seen_in(LIVES / 4, violations, words);
}

fn must_be_seen_in(lives: u64, violations: &[String], words: &str) {
    assert!(violations.len() as u64 >= lives, "seen in {} lives only, not in {lives}", violations.len());
    assert!(violations.iter().any(|said| said.contains(words)), "`{words}` is in none of {violations:#?}");
}

/// Does something to the third effect that `change` wants to change.
fn third(mut change: impl FnMut(&mut Vec<Effect>, usize) -> bool + 'static) -> Doctor {
    let mut seen = 0;
    Box::new(move |effects| {
        for place in 0..effects.len() {
            if seen < 3 && place < effects.len() {
                let before = effects.clone();
                if change(effects, place) {
                    seen += 1;
                    if seen < 3 {
                        *effects = before;
                    }
                }
            }
        }
    })
}

fn record_at(effects: &mut [Effect], place: usize) -> Option<&mut Record> {
    if let Effect::Record(record) = &mut effects[place] { Some(record) } else { None }
}

#[test]
fn a_sound_life_shows_nothing() {
    for seed in 0..LIVES {
        plain_world(seed).live(STEPS).unwrap();
    }
}

#[test]
fn a_scheduler_that_hands_out_twice_or_makes_up_jobs_is_tolerated() {
    assert_eq!(under(Manner::Doubles), Vec::<String>::new());
    assert_eq!(under(Manner::Invents), Vec::<String>::new());
}

#[test]
fn a_scheduler_that_loses_jobs_is_seen() {
    must_be_seen(&under(Manner::Drops), "a slot idles");
}

#[test]
fn a_scheduler_that_hides_jobs_is_seen() {
    must_be_seen(&under(Manner::Hides), "a slot idles");
}

#[test]
fn a_scheduler_with_another_order_is_seen() {
    // Plain starts the larger priority first, however long the others wait.
    let under = |order| move || Under { inner: Box::new(Plain::default()), manner: Manner::Honest, order: Some(order) };
    let seen = |under: &dyn Fn() -> Under| {
        (0..LIVES).filter_map(|seed| World::new(seed, under()).live(STEPS).err()).collect::<Vec<_>>()
    };
    must_be_seen(&seen(&under(Order::Arrival)), "waits longer than the order");
    must_be_seen(&seen(&under(Order::Ageing(Duration::from_micros(20)))), "waits longer than the order");
    assert_eq!(seen(&under(Order::Ageing(Duration::ZERO))), Vec::<String>::new());
}

/// What a model says, in four times as many lives, that is told something else than dispatch: few batches are trials,
/// or spend all their tokens.
fn told(lie: Lie) -> Vec<String> {
    let life = |seed| {
        let mut world = plain_world(seed);
        world.lie = Some(lie);
        world.live(STEPS).err()
    };
    (2_000..2_000 + 4 * LIVES).filter_map(life).collect()
}

#[test]
fn a_token_too_many_is_seen() {
    must_be_seen_in(LIVES / 4, &told(Lie::Budget), "counts");
}

#[test]
fn an_answer_that_the_rules_do_not_give_is_seen() {
    must_be_seen_in(LIVES, &told(Lie::Rules), "the rules say");
}

#[test]
fn a_trial_that_starts_too_few_is_seen() {
    must_be_seen_in(LIVES / 4, &told(Lie::Trial), "are queued");
}

/// Lives with limits; some of their neighbours are pressed instead.
fn limited_seeds() -> impl Iterator<Item = u64> {
    (4_000..).filter(|seed| is_limited(*seed)).take(LIVES as usize)
}

/// What a model says that is told other limits than dispatch has.
fn limited(lie: Lie) -> Vec<String> {
    let life = |seed| {
        let mut world = plain_world(seed);
        world.lie_about_limits(lie);
        world.live(STEPS).err()
    };
    limited_seeds().filter_map(life).collect()
}

#[test]
fn a_key_of_which_too_few_run_is_seen() {
    must_be_seen(&limited(Lie::Concurrency), "a slot idles");
}

#[test]
fn a_rate_that_is_exceeded_is_seen() {
    must_be_seen(&limited(Lie::Rate), "start above a limit");
}

#[test]
fn lives_reach_every_no_of_a_limit() {
    let traces: Vec<String> = limited_seeds()
        .map(|seed| {
            let mut world = plain_world(seed);
            world.reasons = Some(std::collections::BTreeSet::new());
            world.live(STEPS).unwrap();
            world.reasons.unwrap_or_default().into_iter().collect::<Vec<_>>().join(" ")
        })
        .collect();
    for name in ["limit_concurrency", "limit_rate", "breaker_open", "breaker_probing", "limit_paused"] {
        let lives = traces.iter().filter(|said| said.contains(name)).count();
        assert!(lives >= 5, "`{name}` happens in {lives} of {LIVES} lives");
    }
}

#[test]
fn a_lost_record_is_seen() {
    let doctor = || {
        third(|effects, place| {
            let is_record = matches!(effects[place], Effect::Record(_));
            if is_record {
                effects.remove(place);
            }
            is_record
        })
    };
    must_be_seen(&with(doctor), "nothing came of an attempt's end");
}

#[test]
fn a_second_record_is_seen() {
    let doctor = || {
        third(|effects, place| {
            let again = record_at(effects, place).cloned();
            let is_record = again.is_some();
            effects.extend(again.map(Effect::Record));
            is_record
        })
    };
    must_be_seen(&with(doctor), "a second record");
}

#[test]
fn a_wrong_end_is_seen() {
    let doctor = || {
        third(|effects, place| {
            let Some(record) = record_at(effects, place) else { return false };
            let succeeded = record.status == Status::Succeeded;
            record.status = if succeeded { Status::Failed } else { Status::Succeeded };
            true
        })
    };
    must_be_seen(&with(doctor), "was due");
}

#[test]
fn a_wrong_number_of_attempts_is_seen() {
    let doctor = || third(|effects, place| record_at(effects, place).map(|record| record.attempts += 1).is_some());
    must_be_seen(&with(doctor), "attempts, not these");
}

#[test]
fn a_job_that_starts_twice_is_seen() {
    let doctor = || {
        third(|effects, place| {
            let is_start = matches!(effects[place], Effect::Start(_));
            if is_start {
                effects.push(effects[place].clone());
            }
            is_start
        })
    };
    must_be_seen(&with(doctor), "start");
}

#[test]
fn an_epoch_that_does_not_grow_is_seen() {
    let doctor = || {
        third(|effects, place| {
            let Effect::Start(start) = &mut effects[place] else { return false };
            start.lease.epoch -= 1;
            true
        })
    };
    must_be_seen(&with(doctor), "the epoch does not grow");
}

#[test]
fn a_retry_that_is_too_early_is_seen() {
    let doctor = || {
        third(|effects, place| {
            let Effect::Retrying { due, .. } = &mut effects[place] else { return false };
            *due = MonoTime::from_nanos(due.as_nanos() - 1);
            true
        })
    };
    must_be_seen(&with(doctor), "a retry of");
}

#[test]
fn an_alarm_that_is_not_set_is_seen() {
    let doctor = || {
        third(|effects, place| {
            let is_alarm = matches!(effects[place], Effect::WakeAt(_));
            if is_alarm {
                effects.remove(place);
            }
            is_alarm
        })
    };
    must_be_seen(&with(doctor), "the alarm is set to");
}

#[test]
fn a_batch_that_does_not_end_is_seen() {
    let doctor =
        || -> Doctor { Box::new(|effects| effects.retain(|effect| !matches!(effect, Effect::BatchEnded { .. }))) };
    must_be_seen(&with(doctor), "is gone, without an end");
}

#[test]
fn a_stop_that_is_not_told_is_seen() {
    let doctor = || -> Doctor { Box::new(|effects| effects.retain(|effect| !matches!(effect, Effect::Stop { .. }))) };
    must_be_seen(&with(doctor), "told to stop, or not");
}

/// Jobs that wait too long, and take too long, are in the lives that may have them.
#[test]
fn lives_reach_the_limits_of_time() {
    for code in ["queue_timeout", "job_timeout"] {
        let reaches = |seed| {
            let mut world = plain_world(seed);
            world.trace = Some(Vec::new());
            world.live(STEPS).unwrap();
            world.trace.unwrap_or_default().iter().any(|step| step.contains(&format!("code: \"{code}\"")))
        };
        let lives = (6_000..6_000 + LIVES).filter(|seed| reaches(*seed)).count();
        assert!(lives >= 5, "`{code}` happens in {lives} of {LIVES} lives");
    }
}

/// The lives are worth living: everything happens in them that the checks are about.
#[test]
fn lives_reach_every_end_and_every_state() {
    let traces: Vec<String> = (0..LIVES)
        .map(|seed| {
            let mut world = plain_world(seed);
            world.trace = Some(Vec::new());
            world.live(STEPS).unwrap();
            world.trace.unwrap_or_default().join("\n")
        })
        .collect();
    let statuses = Status::ALL.map(|status| format!("status: {status:?}"));
    let verdicts = ["Succeeded", "SomeFailed", "Halted", "Cancelled", "DeadlinePassed", "Drained", "StorageFailed"];
    let verdicts = verdicts.map(|verdict| format!("verdict: {verdict}"));
    let others = ["Retrying", "given_up: [GivenUp", "paused: true }", "how: Kill", "DrainRequested", "attempt: 3"];
    for words in statuses.into_iter().chain(verdicts).chain(others.map(str::to_owned)) {
        let lives = traces.iter().filter(|trace| trace.contains(&words)).count();
        assert!(lives >= 2, "`{words}` happens in {lives} of {LIVES} lives");
    }
}

#[test]
fn lives_are_cut_off_in_the_middle_of_things() {
    let reaches = |of: fn(At) -> bool| {
        (0..LIVES).any(|seed| {
            let mut world = plain_world(seed);
            world.live_on(STEPS).unwrap();
            some_job(&world, of)
        })
    };
    assert!(reaches(|at| matches!(at, At::Backoff(_))));
    assert!(reaches(|at| matches!(at, At::Recording(_))));
    assert!(reaches(|at| matches!(at, At::Pending)));
}
