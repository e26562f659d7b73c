//! Starting attempts while slots are free.

use std::time::Duration;

use batchmill_core::{GivenUp, MonoTime, Pick, Token, Transition};

use crate::{
    BatchKey, Effect, Start,
    batch::of_token,
    dispatch::Dispatch,
    gates::host::{self, Shut},
    slots::Live,
    step::{limited, queue, resources, suspects, waiting},
    timers::Due,
};

/// When a scheduler is asked again that named no moment to come, or jobs that do not wait.
const ASK_AGAIN: Duration = Duration::from_millis(10);

/// So many jobs that do not wait are taken from a scheduler in one step: one without end would hold the step for ever.
const FAULTS_MAX: u32 = 100;

/// Starts jobs until the limit is reached, nothing may start, or too many records are unanswered.
pub(crate) fn fill(dispatch: &mut Dispatch, now: MonoTime, effects: &mut Vec<Effect>) {
    go_on_filling(dispatch, 0, now, effects);
}

/// The same, with what the scheduler has just answered.
pub(crate) fn fill_with(dispatch: &mut Dispatch, pick: Pick, now: MonoTime, effects: &mut Vec<Effect>) {
    let Some(token) = picked(dispatch, pick, now) else { return };
    let faults = u32::from(!take_up(dispatch, token, now, effects));
    go_on_filling(dispatch, faults, now, effects);
}

fn go_on_filling(dispatch: &mut Dispatch, mut faults: u32, now: MonoTime, effects: &mut Vec<Effect>) {
    while may_start(dispatch, now) {
        let Some(token) = next(dispatch, now) else { return };
        if !take_up(dispatch, token, now, effects) {
            faults += 1;
            if faults == FAULTS_MAX {
                return ask_again(dispatch, now + ASK_AGAIN);
            }
        }
    }
}

/// Starts a job that was picked, or does what stands in the way of it. False if it is not a job that waits.
fn take_up(dispatch: &mut Dispatch, token: Token, now: MonoTime, effects: &mut Vec<Effect>) -> bool {
    let (key, index) = of_token(token);
    let Some(batch) = dispatch.batch(key).filter(|batch| queue::is_ready(batch, index)) else {
        // The scheduler made it up or hands it out again. Nothing of ours depends on it.
        dispatch.scheduler_faults += 1;
        limited::handed_out_again(dispatch, token, now);
        return false;
    };
    if !batch.takes_starts(now) {
        queue::park(dispatch, token, now);
    } else if batch.rows[index as usize].epoch == 0 && batch.is_limit_reached() {
        queue::leave_out(dispatch, token, now);
    } else if let Some((_, why)) = batch.expiry(index).filter(|(at, _)| *at <= now) {
        // Its timer comes later than this pick.
        queue::park(dispatch, token, now);
        waiting::end(dispatch, key, index, why, now, effects);
    } else if dispatch.suspects.running.is_some() && batch.is_suspect(&batch.rows[index as usize]) {
        suspects::set_aside(dispatch, token, now);
    } else if let Some((demand, why)) = resources::unfit(dispatch, token) {
        resources::set_aside(dispatch, token, demand, why, now);
    } else if dispatch.limits.is_none() || limited::admit(dispatch, key, index, token, now) {
        start(dispatch, key, index, now, effects);
    }
    true
}

/// Whether every gate of the host says yes. One that says no for a while is asked again by itself.
fn may_start(dispatch: &mut Dispatch, now: MonoTime) -> bool {
    match host::shut(dispatch, now) {
        None => dispatch.resources.gate(dispatch.slots.running()).is_none(),
        Some(Shut::Limit(key, _)) => {
            limited::arm(dispatch, key, now);
            false
        }
        Some(_) => false,
    }
}

fn next(dispatch: &mut Dispatch, now: MonoTime) -> Option<Token> {
    // Picked before, and there was no room.
    if let Some(token) = resources::next(dispatch, now) {
        return Some(token);
    }
    if dispatch.parked.len() + dispatch.resources.aside >= dispatch.settings.parked_limit.get() {
        return None;
    }
    let pick = dispatch.scheduler.pop(now);
    picked(dispatch, pick, now)
}

fn picked(dispatch: &mut Dispatch, pick: Pick, now: MonoTime) -> Option<Token> {
    match pick {
        Pick::Run(token) => Some(token),
        Pick::NotBefore(at) => {
            let at = not_passed(dispatch, at, now);
            ask_again(dispatch, at);
            None
        }
        _ => None,
    }
}

/// Free slots are filled at a moment, if not before.
fn ask_again(dispatch: &mut Dispatch, at: MonoTime) {
    // Asked again at every step: one alarm for the same moment is enough.
    if dispatch.refill_at.is_none_or(|armed| at < armed) {
        dispatch.timers.arm(at, Due::Refill);
        dispatch.refill_at = Some(at);
    }
}

/// A scheduler that names a moment that has come would be asked again at once, without end: it is asked later.
fn not_passed(dispatch: &mut Dispatch, at: MonoTime, now: MonoTime) -> MonoTime {
    if at > now {
        return at;
    }
    dispatch.scheduler_faults += 1;
    now + ASK_AGAIN
}

fn start(dispatch: &mut Dispatch, key: BatchKey, index: u32, now: MonoTime, effects: &mut Vec<Effect>) {
    let Dispatch { batches, classes, slots, suspects, resources, .. } = dispatch;
    let Some(batch) = batches[key.0 as usize].as_deref_mut() else { return };
    batch.apply(index, Transition::Start);
    let timeout = batch.attempt_limit(index, now);
    // Only a job that ran before can have something to go on without.
    let again = batch.rows[index as usize].epoch > 0;
    let given_up = if again { batch.take_given_up(index) } else { Vec::new() };
    let is_suspect = batch.is_suspect(&batch.rows[index as usize]);
    let row = &mut batch.rows[index as usize];
    *classes.queued(row.class) -= 1;
    let demand = classes.get(row.class).demand;
    // The first epoch is 1: a lease made of zeros is void.
    row.epoch += 1;
    if row.epoch == 1 {
        batch.begun += 1;
        batch.begun_open += 1;
    }
    let lease = slots.take(key, index, row.epoch, now, timeout);
    row.slot = lease.slot.0;
    let memory = if resources.on { resources.begin(lease, demand) } else { None };
    if is_suspect {
        suspects.running = Some(lease);
    }
    effects.push(Effect::Start(Start {
        lease,
        attempt: row.attempts.saturating_add(1),
        resume: row.epoch > 1 || batch.setup.resumed,
        timeout,
        queued: row.enqueued,
        given_up,
        memory,
    }));
}

/// Lets the flow of a running attempt go on without nodes that are given up: the same attempt, the same slot, the time
/// that is left.
pub(crate) fn go_on(
    dispatch: &mut Dispatch,
    before: Live,
    given_up: Vec<GivenUp>,
    now: MonoTime,
    effects: &mut Vec<Effect>,
) {
    let Dispatch { batches, slots, suspects, resources, .. } = dispatch;
    let Some(batch) = batches[before.lease.batch.0 as usize].as_deref_mut() else { return };
    let Live { lease: before, started, limit, .. } = before;
    let row = &mut batch.rows[before.index as usize];
    row.epoch += 1;
    let lease = slots.take(before.batch, before.index, row.epoch, started, limit);
    row.slot = lease.slot.0;
    if suspects.running == Some(before) {
        suspects.running = Some(lease);
    }
    effects.push(Effect::Start(Start {
        lease,
        attempt: row.attempts.saturating_add(1),
        resume: true,
        timeout: limit.map(|limit| limit.saturating_sub(now - started)),
        queued: row.enqueued,
        given_up,
        memory: resources.memory_of(lease.slot),
    }));
}
