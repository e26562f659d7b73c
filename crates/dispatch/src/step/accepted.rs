//! Jobs arrive: new ones, or what earlier hosts of their batch left of them.

use std::ops::Range;

use batchmill_core::{
    JobState, MonoTime, Status,
    fault::{self, Sabotage},
};

use crate::{
    BatchKey, Effect, NewJob, Past, Setback,
    batch::{Batch, Row, Wishes},
    dispatch::Dispatch,
    step::{close, queue, waiting},
    timers::Due,
    trouble::TroubleId,
};

pub(crate) fn step(
    dispatch: &mut Dispatch,
    now: MonoTime,
    key: BatchKey,
    mut jobs: Vec<NewJob>,
    effects: &mut Vec<Effect>,
) {
    let ready: Vec<Range<u32>> = jobs.iter_mut().filter_map(|job| accept(dispatch, now, key, job)).collect();
    if !ready.is_empty() {
        queue::push_all(dispatch, key, &ready);
    }
    // Cancelled while its jobs still arrive: these get their end like the others.
    close::go_on(dispatch, now, effects);
}

/// Takes jobs in that are alike. Their places, if they can be queued.
fn accept(dispatch: &mut Dispatch, now: MonoTime, key: BatchKey, job: &mut NewJob) -> Option<Range<u32>> {
    let Dispatch { batches, classes, limits, .. } = dispatch;
    let batch = batches.get_mut(key.0 as usize).and_then(Option::as_deref_mut)?;
    assert!(!batch.sealed, "a sealed batch takes no jobs");
    let first = u32::try_from(batch.rows.len()).expect("a batch has fewer than 2^32 jobs");
    let places = first..first.checked_add(job.many.get()).expect("a batch has fewer than 2^32 jobs");
    let (state, due) = first_state(batch, job, now);
    let earliest = if limits.is_some() { FIRST_MOMENT } else { MonoTime::ZERO };
    let class = classes.of(job, batch.demand);
    if let Some(limits) = limits {
        let known = classes.get(class);
        limits.know(class, (&known.limits, known.share(), known.priority), now);
    }
    let enqueued = batch.setup.accepted.unwrap_or(now).max(earliest);
    let trouble = TroubleId::NONE;
    let row = Row { enqueued, class, epoch: 0, slot: 0, attempts: 0, trouble, crashes: 0, state, parked: false };
    batch.rows.extend(std::iter::repeat_n(row, places.len()));
    batch.counts.accepted(state, job.many.get().into());
    if !state.is_ended() {
        wish(dispatch, key, &places, job);
    }
    if job.past != Past::None {
        recall(dispatch, key, &places, &mut job.past, now);
    }
    if let Some(due) = due {
        wait(dispatch, key, &places, state, due);
    }
    (state == JobState::Ready).then_some(places)
}

/// Jobs that may start at a moment, or go on at it.
fn wait(dispatch: &mut Dispatch, key: BatchKey, places: &Range<u32>, state: JobState, due: MonoTime) {
    for index in places.clone() {
        if state == JobState::Backoff {
            dispatch.backing_off += 1;
            dispatch.timers.arm(due, Due::Retry(key, index, EARLIER));
        } else {
            dispatch.timers.arm(due, Due::Admit(key, index));
        }
    }
}

/// A job that a limit keeps from starting goes before those that were queued with it: there must be a moment before.
const FIRST_MOMENT: MonoTime = MonoTime::from_nanos(1);

/// The epoch of all attempts under earlier hosts.
const EARLIER: u32 = 1;

/// Where a job stands at first, and when that changes by itself.
fn first_state(batch: &Batch, job: &NewJob, now: MonoTime) -> (JobState, Option<MonoTime>) {
    match &job.past {
        Past::Ended(status) => (JobState::Ended(*status), None),
        Past::Interrupted(_) if fault::breaks(Sabotage::ForgetBackoff) => (JobState::Ready, None),
        // What is left of its delay; and where retries cost tokens, it gets in line for one.
        Past::Interrupted(setback) if setback.due > now || batch.budget.is_some() && setback.attempts > 0 => {
            (JobState::Backoff, Some(setback.due))
        }
        // It has started: its `after` has come.
        Past::Interrupted(_) => (JobState::Ready, None),
        Past::None => match job.after.filter(|after| *after > now) {
            Some(after) => (JobState::Pending, Some(after)),
            None => (JobState::Ready, None),
        },
    }
}

fn wish(dispatch: &mut Dispatch, key: BatchKey, places: &Range<u32>, job: &NewJob) {
    if let Some(at) = job.deadline {
        places.clone().for_each(|index| dispatch.timers.arm(at, Due::JobDeadline(key, index)));
    }
    if let Some(batch) = dispatch.batch_mut(key)
        && let Some(wishes) = Wishes::of(job, &batch.setup)
    {
        batch.wishes.extend(places.clone().map(|index| (index, wishes)));
    }
}

/// What earlier hosts left of jobs.
fn recall(dispatch: &mut Dispatch, key: BatchKey, places: &Range<u32>, past: &mut Past, now: MonoTime) {
    for index in places.clone() {
        // The last one, which is commonly the only one, is not copied.
        let past = if index + 1 == places.end { std::mem::take(past) } else { past.clone() };
        match past {
            Past::None => {}
            Past::Ended(status) => count_past(dispatch, key, status),
            Past::Interrupted(setback) => interrupted(dispatch, key, index, *setback, now),
        }
    }
}

/// A trial counts what has begun: jobs that ended by an attempt. Those that were cancelled or skipped may never have.
fn count_past(dispatch: &mut Dispatch, key: BatchKey, status: Status) {
    if let Some(batch) = dispatch.batch_mut(key)
        && !matches!(status, Status::Cancelled | Status::Skipped)
    {
        batch.begun += 1;
    }
}

fn interrupted(dispatch: &mut Dispatch, key: BatchKey, index: u32, setback: Setback, now: MonoTime) {
    let Dispatch { batches, classes, resources, limits, .. } = dispatch;
    let Some(batch) = batches.get_mut(key.0 as usize).and_then(Option::as_deref_mut) else { return };
    batch.begun += 1;
    batch.begun_open += 1;
    let is_poison = batch.is_poison(setback.crashes);
    let row = &mut batch.rows[index as usize];
    (row.epoch, row.attempts) = (EARLIER, setback.attempts);
    for _ in 0..setback.memory_level {
        let demand = resources.more(classes.get(row.class).demand, &batch.setup.needs);
        row.class = classes.asking_for(row.class, demand);
        if let Some(limits) = limits {
            let known = classes.get(row.class);
            limits.know(row.class, (&known.limits, known.share(), known.priority), now);
        }
    }
    row.trouble = batch.troubles.recall(setback);
    if is_poison {
        batch.poison.push(index);
    }
    waiting::arm_job_timeout(dispatch, key, index);
}
