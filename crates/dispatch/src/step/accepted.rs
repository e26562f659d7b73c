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
};

pub(crate) fn step(
    dispatch: &mut Dispatch,
    now: MonoTime,
    key: BatchKey,
    mut jobs: Vec<NewJob>,
    effects: &mut Vec<Effect>,
) {
    let ready: Vec<Range<u32>> = jobs.iter_mut().filter_map(|job| accept(dispatch, now, key, job)).collect();
    queue::push_all(dispatch, key, ready.into_iter());
    // Cancelled while its jobs still arrive: these get their end like the others.
    close::go_on(dispatch, now, effects);
}

/// Takes jobs in that are like earlier ones.
pub(crate) fn alike(dispatch: &mut Dispatch, now: MonoTime, key: BatchKey, like: &[u32], effects: &mut Vec<Effect>) {
    let Dispatch { batches, timers, limits, .. } = &mut *dispatch;
    let Some(batch) = batches.get_mut(key.0 as usize).and_then(Option::as_deref_mut) else { return };
    let places = new_places(batch, like.len());
    let enqueued = enqueued(batch, limits.is_some(), now);
    batch.counts.accepted(JobState::Ready, like.len() as u64);
    batch.rows.reserve(like.len());
    for place in like {
        let row = Row::new(batch.rows[*place as usize].class, enqueued, JobState::Ready);
        batch.rows.push(row);
    }
    if !batch.wishes.is_empty() {
        for (place, like) in places.clone().zip(like) {
            let Some(wishes) = batch.wishes.get(like).copied() else { continue };
            if let Some(at) = wishes.deadline {
                timers.arm(at, Due::JobDeadline(key, place));
            }
            batch.wishes.insert(place, wishes);
        }
    }
    queue::push_all(dispatch, key, places.map(|place| place..place + 1));
    close::go_on(dispatch, now, effects);
}

/// The places of so many jobs that are accepted next.
fn new_places(batch: &Batch, many: usize) -> Range<u32> {
    assert!(!batch.sealed, "a sealed batch takes no jobs");
    let numbered = |number: usize| u32::try_from(number).expect("a batch has fewer than 2^32 jobs");
    numbered(batch.rows.len())..numbered(batch.rows.len() + many)
}

/// When jobs were queued that are accepted now.
fn enqueued(batch: &Batch, is_limited: bool, now: MonoTime) -> MonoTime {
    let earliest = if is_limited { FIRST_MOMENT } else { MonoTime::ZERO };
    batch.setup.accepted.unwrap_or(now).max(earliest)
}

/// Takes jobs in that are alike. Their places, if they can be queued.
fn accept(dispatch: &mut Dispatch, now: MonoTime, key: BatchKey, job: &mut NewJob) -> Option<Range<u32>> {
    let Dispatch { batches, classes, limits, .. } = dispatch;
    let batch = batches.get_mut(key.0 as usize).and_then(Option::as_deref_mut)?;
    let places = new_places(batch, job.many.get() as usize);
    let (state, due) = first_state(batch, job, now);
    let enqueued = enqueued(batch, limits.is_some(), now);
    let class = classes.of(job, batch.demand);
    if let Some(limits) = limits {
        let known = classes.get(class);
        limits.know(class, (&known.limits, known.share(), known.priority), now);
    }
    batch.rows.extend(std::iter::repeat_n(Row::new(class, enqueued, state), places.len()));
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
