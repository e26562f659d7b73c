//! Something is due.

use batchmill_core::{CancelReason, Closing, JobState, MonoTime, Transition};

use crate::{
    BatchKey, Effect, StopCause,
    dispatch::Dispatch,
    gates::KeyId,
    step::{
        budget, close, fill, limited, queue,
        waiting::{self, WaitingEnd},
    },
    timers::Due,
};

pub(crate) fn step(dispatch: &mut Dispatch, now: MonoTime, effects: &mut Vec<Effect>) {
    dispatch.timers.alarm_went_off();
    let mut gates = Vec::new();
    while let Some(due) = dispatch.timers.pop_due(now) {
        match due {
            Due::Admit(batch, index) => {
                requeue(dispatch, batch, index, JobState::Pending, Transition::Admit);
                arm_start_limit(dispatch, batch, index);
            }
            Due::Retry(batch, index, epoch) => {
                if is_in_backoff(dispatch, batch, index, epoch)
                    && budget::is_free(dispatch, batch, (index, epoch))
                    && requeue(dispatch, batch, index, JobState::Backoff, Transition::RetryDue)
                {
                    dispatch.backing_off -= 1;
                }
            }
            Due::JobDeadline(batch, index) => job_deadline(dispatch, batch, index, now, effects),
            Due::StartLimit(batch, index) | Due::JobTimeout(batch, index) => {
                end_if_too_late(dispatch, batch, index, now, effects);
            }
            Due::StartLimits(batch) => end_those_not_started(dispatch, batch, now, effects),
            Due::BatchDeadline(batch) => {
                close::begin(dispatch, batch, Closing::DeadlinePassed, true, now, effects);
                close::end_if_over(dispatch, batch, now, effects);
            }
            // Whoever has waited too long is looked for where attempts are started.
            Due::Reserve(_) => {}
            Due::Refill => dispatch.refill_at = None,
            Due::Gate(key) => gates.push(KeyId(key)),
        }
    }
    budget::release_all(dispatch, now);
    // Last: a job whose key pauses until its retry is due is in line by then, in its place.
    for key in gates {
        limited::due(dispatch, key, now);
    }
    fill::fill(dispatch, now, effects);
}

fn is_in_backoff(dispatch: &Dispatch, batch: BatchKey, index: u32, epoch: u32) -> bool {
    let row = dispatch.batch(batch).map(|batch| &batch.rows[index as usize]);
    row.is_some_and(|row| row.state == JobState::Backoff && row.epoch == epoch)
}

/// Queues a job that still waits in `state`.
fn requeue(dispatch: &mut Dispatch, key: BatchKey, index: u32, state: JobState, transition: Transition) -> bool {
    let Some(batch) = dispatch.batch_mut(key) else { return false };
    if batch.rows[index as usize].state != state {
        return false;
    }
    batch.apply(index, transition);
    queue::push(dispatch, key, index);
    true
}

fn job_deadline(dispatch: &mut Dispatch, key: BatchKey, index: u32, now: MonoTime, effects: &mut Vec<Effect>) {
    let Some(batch) = dispatch.batch(key) else { return };
    let (row, batch_is_sealed) = (batch.rows[index as usize], batch.sealed);
    if row.state == JobState::Running {
        let Some(live) = dispatch.slots.get_mut(crate::SlotId(row.slot)) else { return };
        if live.stop(StopCause::JobDeadline) {
            effects.push(Effect::Stop { lease: live.lease, how: CancelReason::Stop });
        }
    } else if batch_is_sealed {
        waiting::end(dispatch, key, index, WaitingEnd::Deadline, now, effects);
    }
}

/// One that came to the queue after its batch was sealed has its own time for that.
fn arm_start_limit(dispatch: &mut Dispatch, key: BatchKey, index: u32) {
    let due = dispatch.batch(key).and_then(|batch| batch.queue_due(index));
    if let Some(due) = due {
        dispatch.timers.arm(due, Due::StartLimit(key, index));
    }
}

/// Ends a job whose time is over if it waits. Where it runs, its attempt has a limit.
fn end_if_too_late(dispatch: &mut Dispatch, key: BatchKey, index: u32, now: MonoTime, effects: &mut Vec<Effect>) {
    let Some(batch) = dispatch.batch_mut(key).filter(|batch| batch.sealed) else { return };
    let late = batch.expiry(index).filter(|(at, _)| *at <= now);
    match batch.rows[index as usize].state {
        JobState::Pending | JobState::Ready | JobState::Backoff => {
            if let Some((_, why)) = late {
                waiting::end(dispatch, key, index, why, now, effects);
            }
        }
        // Should it wait again, it is looked at again.
        _ => {
            if let Some(trouble) = batch.trouble_mut(index) {
                trouble.is_timed = false;
            }
        }
    }
}

/// Most jobs of a batch may start at one moment, so they have one timer.
fn end_those_not_started(dispatch: &mut Dispatch, key: BatchKey, now: MonoTime, effects: &mut Vec<Effect>) {
    let Some(batch) = dispatch.batch(key) else { return };
    let waits = |index: &u32| {
        let is_ready = batch.rows[*index as usize].state == JobState::Ready;
        is_ready && batch.queue_due(*index).is_some_and(|due| due <= now)
    };
    let jobs = u32::try_from(batch.rows.len()).expect("a batch has fewer than 2^32 jobs");
    let late: Vec<u32> = (0..jobs).filter(waits).collect();
    for index in late {
        end_if_too_late(dispatch, key, index, now, effects);
    }
}
