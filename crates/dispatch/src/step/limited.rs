//! Limits of jobs with one key, and the scheduler: who is held, who may try again, and when.

use batchmill_core::{AttemptFailure, ClassId, LimitId, MonoTime, Outcome, Token, Usage};

use crate::{
    BatchKey, Effect, Lease,
    batch::of_token,
    dispatch::Dispatch,
    gates::{Attempt, AttemptEnd, Call, KeyId, LimitChange, Waiter},
    slots::Live,
    step::{fill, queue},
    timers::Due,
};

/// Whether the limits let a picked job start; it has its places under them then. If not, it waits: its class is held where
/// the scheduler can do that, else it is set aside.
pub(crate) fn admit(dispatch: &mut Dispatch, key: BatchKey, index: u32, token: Token, now: MonoTime) -> bool {
    let Some(row) = dispatch.batch(key).map(|batch| batch.rows[index as usize]) else { return false };
    let Some(limits) = &mut dispatch.limits else { return true };
    let (blocked, block) = match limits.admit(row.class, now) {
        Ok(is_awaited) => {
            // Where they have more to give, others may have it; else those who wait are called when they do.
            if is_awaited {
                call(dispatch, row.class, Call::Room, now);
            }
            return true;
        }
        Err(blocked) => blocked,
    };
    limits.reserve(blocked, block);
    // Picked, not run: the scheduler hears at once that this is over.
    dispatch.scheduler.on_finish(token, Usage::default());
    wait(dispatch, blocked, token, (row.class, row.enqueued));
    arm(dispatch, blocked, now);
    // It leaves what it might have got of its other keys to those behind it.
    passed_over(dispatch, row.class, now);
    false
}

/// Calls those who wait for the keys of a class.
pub(crate) fn call(dispatch: &mut Dispatch, class: ClassId, why: Call, now: MonoTime) {
    let Some(limits) = dispatch.limits.as_ref().filter(|limits| limits.is_any_awaited()) else { return };
    let awaited: Vec<KeyId> = limits.keys(class).filter(|key| limits.is_awaited(*key)).collect();
    for key in awaited {
        wake(dispatch, key, why, now);
    }
}

/// A picked job waits for a key.
fn wait(dispatch: &mut Dispatch, blocked: KeyId, token: Token, (class, enqueued): (ClassId, MonoTime)) {
    let Dispatch { limits: Some(limits), scheduler, .. } = dispatch else { return };
    let (batch, index) = of_token(token);
    if limits.is_shared(blocked) {
        // Nothing else starts either, and nothing is picked before that changes.
        queue::give_back(dispatch, batch, index);
    } else if scheduler.can_hold() && !limits.is_held(class) {
        limits.hold(class, blocked, enqueued, token);
        scheduler.hold(class);
        queue::give_back(dispatch, batch, index);
    } else {
        if scheduler.can_hold() {
            // It picks what it was told to hold.
            dispatch.scheduler_faults += 1;
        }
        limits.set_aside(class, blocked, enqueued, token);
        queue::mark(dispatch, token, true);
    }
}

/// A job of this class was picked or taken out and does not start: what was let go for it goes to others.
pub(crate) fn passed_over(dispatch: &mut Dispatch, class: ClassId, now: MonoTime) {
    call(dispatch, class, Call::Instead, now);
}

/// A scheduler hands out a job that does not wait, instead of one of its class that may.
pub(crate) fn handed_out_again(dispatch: &mut Dispatch, token: Token, now: MonoTime) {
    let (batch, index) = of_token(token);
    let row = dispatch.batch(batch).and_then(|batch| batch.rows.get(index as usize));
    if let Some(class) = row.map(|row| row.class) {
        passed_over(dispatch, class, now);
    }
}

/// A queued job was taken out of its class.
pub(crate) fn removed(dispatch: &mut Dispatch, class: ClassId, token: Token, now: MonoTime) {
    let Some(limits) = &mut dispatch.limits else { return };
    // Which of its jobs is next is not known any more: it shows when it is picked.
    if limits.stands_for(class, token) {
        limits.let_go(class);
        dispatch.scheduler.release(class);
    }
    passed_over(dispatch, class, now);
}

/// Lets those try again that a key has room for, or says when it will have some.
fn wake(dispatch: &mut Dispatch, key: KeyId, why: Call, now: MonoTime) {
    let Some(limits) = &mut dispatch.limits else { return };
    for waiter in limits.next(key, why, now) {
        match waiter {
            Waiter::Class(class) => dispatch.scheduler.release(class),
            Waiter::Job(token) => {
                let (batch, index) = of_token(token);
                queue::mark(dispatch, token, false);
                queue::give_back(dispatch, batch, index);
                release_held(dispatch, batch, index);
            }
        }
    }
    if dispatch.limits.as_ref().is_some_and(|limits| limits.is_awaited(key)) {
        arm(dispatch, key, now);
    }
}

/// A job that was set aside although its class is held, because the scheduler picked it all the same, would be held in the
/// scheduler now: its class tries with it.
fn release_held(dispatch: &mut Dispatch, batch: BatchKey, index: u32) {
    let Some(class) = dispatch.batch(batch).map(|batch| batch.rows[index as usize].class) else { return };
    if let Some(limits) = dispatch.limits.as_mut().filter(|limits| limits.is_held(class)) {
        limits.let_go(class);
        dispatch.scheduler.release(class);
    }
}

/// Has a key looked at again at the moment at which it opens by itself.
pub(crate) fn arm(dispatch: &mut Dispatch, key: KeyId, now: MonoTime) {
    let Some(limits) = &mut dispatch.limits else { return };
    if let Some(at) = limits.opens(key, now)
        && limits.arm(key, at)
    {
        dispatch.timers.arm(at, Due::Gate(key.0));
    }
}

/// That moment has come.
pub(crate) fn due(dispatch: &mut Dispatch, key: KeyId, now: MonoTime) {
    let Some(limits) = &mut dispatch.limits else { return };
    limits.went_off(key, now);
    wake(dispatch, key, Call::Room, now);
}

/// An attempt has ended: it holds its places under the limits no more.
pub(crate) fn ended(dispatch: &mut Dispatch, lease: Lease, live: Live, outcome: &Outcome, now: MonoTime) {
    let Some(class) = dispatch.batch(lease.batch).map(|batch| batch.rows[lease.index as usize].class) else { return };
    let Some(limits) = &mut dispatch.limits else { return };
    let end = match outcome {
        Outcome::Succeeded => AttemptEnd::Succeeded,
        Outcome::Failed(failure) if live.stopping.is_none() => {
            AttemptEnd::Failed(failure.iter().map(|failed| failed.error.class).collect())
        }
        _ => AttemptEnd::Void,
    };
    if limits.ended(class, Attempt { started: live.started, end }, now) {
        call(dispatch, class, Call::Room, now);
    }
}

/// A failed attempt was asked to wait: its keys pause.
pub(crate) fn asked_to_wait(dispatch: &mut Dispatch, lease: Lease, failure: &AttemptFailure, now: MonoTime) {
    let Some(delay) = failure.iter().filter_map(|failed| failed.error.retry_after).max() else { return };
    let Some(class) = dispatch.batch(lease.batch).map(|batch| batch.rows[lease.index as usize].class) else { return };
    if let Some(limits) = &mut dispatch.limits {
        limits.pause(class, now + delay);
    }
}

/// A person changes a limit.
pub(crate) fn change(
    dispatch: &mut Dispatch,
    limit: LimitId,
    change: LimitChange,
    now: MonoTime,
    effects: &mut Vec<Effect>,
) {
    let Some(limits) = &mut dispatch.limits else { return };
    limits.change(limit, change, now);
    for key in limits.awaited(limit) {
        wake(dispatch, key, Call::Room, now);
    }
    fill::fill(dispatch, now, effects);
}

/// A batch has ended: its jobs wait for nothing any more, and leave what was let go for them.
pub(crate) fn forget(dispatch: &mut Dispatch, batch: BatchKey, now: MonoTime) {
    let Some(limits) = &mut dispatch.limits else { return };
    let is_of = |token| of_token(token).0 == batch;
    for token in limits.aside_of(is_of) {
        limits.take_back(token);
    }
    for class in limits.held_for(is_of) {
        limits.let_go(class);
        dispatch.scheduler.release(class);
    }
    for key in limits.all_awaited() {
        wake(dispatch, key, Call::Anew, now);
    }
}
