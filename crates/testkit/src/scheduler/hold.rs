//! Held classes: only for schedulers that say `can_hold`.

use std::{collections::BTreeMap, time::Duration};

use batchmill_core::{ClassId, MonoTime, Pick, Scheduler, Token, Usage};

use super::{QueuedJob, Subject, accounting::at};
use crate::{
    FakeClock, Make, Seed,
    case::{Checked, Unmet, ensure},
};

fn holding(make: Make<'_, Subject>) -> Result<Subject, Unmet> {
    let scheduler = make();
    if scheduler.can_hold() { Ok(scheduler) } else { Err(Unmet::NotApplicable("can_hold is false")) }
}

fn push(scheduler: &mut dyn Scheduler, token: u64, class: u32) {
    let mut job = QueuedJob::new(token).queued(token);
    (job.class, job.share) = (ClassId(class), format!("tenant-{class}"));
    scheduler.push(job.entry());
}

/// What can be picked without waiting for another call.
fn drain(scheduler: &mut dyn Scheduler, clock: &mut FakeClock) -> Vec<u64> {
    let mut picked = Vec::new();
    loop {
        match scheduler.pop(clock.now()) {
            Pick::Run(token) => {
                picked.push(token.0);
                scheduler.on_finish(token, Usage::new(Duration::from_nanos(1)));
            }
            Pick::NotBefore(moment) if moment > clock.now() => {
                clock.reach(moment);
            }
            _ => {
                picked.sort_unstable();
                return picked;
            }
        }
    }
}

pub(super) fn a_held_class_is_not_picked(make: Make<'_, Subject>) -> Checked {
    let (mut scheduler, mut clock) = (holding(make)?, FakeClock::new());
    push(&mut *scheduler, 1, 7);
    scheduler.hold(ClassId(7));
    push(&mut *scheduler, 2, 7);
    let picked = drain(&mut *scheduler, &mut clock);
    ensure!(picked.is_empty(), "{picked:?} was picked of a held class");
    Ok(())
}

pub(super) fn a_released_class_is_picked_again(make: Make<'_, Subject>) -> Checked {
    let (mut scheduler, mut clock) = (holding(make)?, FakeClock::new());
    scheduler.hold(ClassId(7));
    push(&mut *scheduler, 1, 7);
    push(&mut *scheduler, 2, 7);
    drain(&mut *scheduler, &mut clock);
    scheduler.release(ClassId(7));
    let picked = drain(&mut *scheduler, &mut clock);
    ensure!(picked == [1, 2], "{picked:?} was picked after the release, expected 1 and 2");
    Ok(())
}

pub(super) fn holding_stops_no_other_class(make: Make<'_, Subject>) -> Checked {
    let (mut scheduler, mut clock) = (holding(make)?, FakeClock::new());
    for token in 0..100 {
        push(&mut *scheduler, token, if token < 90 { 1 } else { 2 });
    }
    scheduler.hold(ClassId(1));
    let picked = drain(&mut *scheduler, &mut clock);
    let expected: Vec<u64> = (90..100).collect();
    ensure!(picked == expected, "{picked:?} was picked with class 1 held, expected 90 to 99");
    Ok(())
}

pub(super) fn hold_and_release_may_repeat(make: Make<'_, Subject>) -> Checked {
    let (mut scheduler, mut clock) = (holding(make)?, FakeClock::new());
    scheduler.release(ClassId(3));
    push(&mut *scheduler, 1, 3);
    scheduler.hold(ClassId(3));
    scheduler.hold(ClassId(3));
    scheduler.release(ClassId(3));
    let picked = drain(&mut *scheduler, &mut clock);
    ensure!(picked == [1], "one release ends any number of holds, but {picked:?} was picked");
    scheduler.release(ClassId(3));
    scheduler.release(ClassId(u32::MAX));
    scheduler.hold(ClassId(3));
    push(&mut *scheduler, 2, 3);
    let picked = drain(&mut *scheduler, &mut clock);
    ensure!(picked.is_empty(), "releases are not saved up for a later hold, but {picked:?} was picked");
    Ok(())
}

pub(super) fn a_held_job_is_counted_and_removable(make: Make<'_, Subject>) -> Checked {
    let mut scheduler = holding(make)?;
    scheduler.hold(ClassId(1));
    push(&mut *scheduler, 1, 1);
    push(&mut *scheduler, 2, 1);
    ensure!(scheduler.len() == 2, "len is {} with 2 held jobs", scheduler.len());
    ensure!(scheduler.explain(Token(1), MonoTime::ZERO).is_some(), "explain does not know a held job");
    ensure!(scheduler.remove(Token(1)), "a held job cannot be removed");
    ensure!(scheduler.len() == 1, "len is {} with 1 held job", scheduler.len());
    scheduler.release(ClassId(1));
    let picked = drain(&mut *scheduler, &mut FakeClock::new());
    ensure!(picked == [2], "{picked:?} was picked, expected 2");
    Ok(())
}

pub(super) fn holding_at_random_loses_nothing(make: Make<'_, Subject>) -> Checked {
    for number in 0..20 {
        let (mut scheduler, mut seed, mut clock) = (holding(make)?, Seed::new(number), FakeClock::new());
        let (mut queued, mut held) = (BTreeMap::new(), [false; 4]);
        for step in 0..1000_u64 {
            let class = seed.index(4);
            let number_of_class = u32::try_from(class).unwrap_or(0);
            let class_id = ClassId(number_of_class);
            match seed.below(8) {
                0..3 => {
                    push(&mut *scheduler, step, number_of_class);
                    queued.insert(Token(step), class);
                }
                3..6 => {
                    let pick = scheduler.pop(clock.advance(Duration::from_nanos(10)));
                    check_pick(pick, &mut queued, held).map_err(|unmet| at(number, step, unmet))?;
                }
                6 => {
                    scheduler.hold(class_id);
                    held[class] = true;
                }
                _ => {
                    scheduler.release(class_id);
                    held[class] = false;
                }
            }
        }
        (0..4).for_each(|class| scheduler.release(ClassId(class)));
        let (picked, left) = (drain(&mut *scheduler, &mut clock), queued.len());
        ensure!(picked.len() == left, "seed {number}: {} came out in the end, expected {left}", picked.len());
    }
    Ok(())
}

fn check_pick(pick: Pick, queued: &mut BTreeMap<Token, usize>, held: [bool; 4]) -> Checked {
    match pick {
        Pick::Run(token) => {
            let class = queued.remove(&token);
            ensure!(
                class.is_some_and(|class| !held[class]),
                "{token:?} was picked, of class {class:?}, held: {held:?}"
            );
        }
        Pick::NotBefore(_) => {}
        other => {
            let free = queued.values().any(|class| !held[*class]);
            ensure!(!free, "answered {other:?} with a job queued whose class is not held");
        }
    }
    Ok(())
}
