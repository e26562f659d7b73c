//! Jobs arrive.

use batchmill_core::{JobState, MonoTime};

use crate::{
    BatchKey, Effect, NewJob,
    batch::{Row, Wishes},
    dispatch::Dispatch,
    step::{close, queue},
    timers::Due,
};

pub(crate) fn step(dispatch: &mut Dispatch, now: MonoTime, key: BatchKey, jobs: &[NewJob], effects: &mut Vec<Effect>) {
    for job in jobs {
        accept(dispatch, now, key, job);
    }
    // Cancelled while its jobs still arrive: these get their end like the others.
    close::go_on(dispatch, now, effects);
}

fn accept(dispatch: &mut Dispatch, now: MonoTime, key: BatchKey, job: &NewJob) {
    let Dispatch { batches, classes, timers, .. } = dispatch;
    let Some(batch) = batches.get_mut(key.0 as usize).and_then(Option::as_deref_mut) else { return };
    assert!(!batch.sealed, "a sealed batch takes no jobs");
    let index = u32::try_from(batch.rows.len()).expect("a batch has fewer than 2^32 jobs");
    let waits = job.after.filter(|after| *after > now);
    let state = if waits.is_some() { JobState::Pending } else { JobState::Ready };
    let class = classes.of(&job.tenant, job.priority);
    batch.rows.push(Row { enqueued: now, class, epoch: 0, slot: 0, attempts: 0, crashes: 0, state, parked: false });
    batch.counts.accepted(state);
    if let Some(wishes) = Wishes::of(job) {
        batch.wishes.insert(index, wishes);
    }
    if let Some(at) = job.deadline {
        timers.arm(at, Due::JobDeadline(key, index));
    }
    match waits {
        Some(after) => timers.arm(after, Due::Admit(key, index)),
        None => queue::push(dispatch, key, index),
    }
}
