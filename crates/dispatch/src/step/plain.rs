//! The shortcut: an attempt that succeeded, where nothing but slots, room for records and limits of keys bounds what starts.
//!
//! Most ends are such, and what makes them so rarely changes. So it is looked at once ([`Plain::of`]) and then holds until an
//! event of another kind comes. An end then does what [`attempt_ended`](super::attempt_ended), [`finish`] and [`fill`] would do,
//! without asking again what cannot be. Whatever turns out to be different on the way goes to them. The simulation lives its lives
//! with and without the shortcut, and they must be the same to the last effect.

use std::time::Duration;

use batchmill_core::{Directive, FinalResult, MonoTime, Outcome, Pick, Status, Token, Transition, Usage};

use crate::{
    BatchKey, Effect, Lease, Record, SlotId, Start,
    batch::{Batch, Row, of_token, token},
    dispatch::Dispatch,
    edge::{self, Decider},
    step::{close, fill, finish, limited, queue},
    trouble::TroubleId,
};

/// A batch whose ends are plain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plain {
    key: BatchKey,
    /// Of every attempt.
    timeout: Option<Duration>,
}

impl Plain {
    /// Looks whether a batch is plain now.
    fn of(dispatch: &Dispatch, key: BatchKey) -> Option<Self> {
        let bounded = dispatch.resources.on
            || dispatch.draining
            || dispatch.crowded
            || !dispatch.parked.is_empty()
            || dispatch.suspects.running.is_some();
        if bounded || !dispatch.takes_shortcuts {
            return None;
        }
        let batch = dispatch.batch(key)?;
        is_plain(batch).then_some(Self { key, timeout: batch.setup.timeout })
    }
}

fn is_plain(batch: &Batch) -> bool {
    let setup = &batch.setup;
    let timed = batch.is_timed() || setup.timeout_percent.is_some() || setup.deadline.is_some();
    let stands = batch.paused.is_some() || batch.storage_full.is_some();
    let ends = batch.closing.is_some() || batch.journal_failed.is_some();
    let counted = setup.limit.is_some() || batch.budget.is_some();
    batch.sealed && !timed && !stands && !ends && !counted
}

/// Ends an attempt that succeeded and starts what follows, if all of it is plain. Else nothing has happened, and this is false.
pub(crate) fn succeeded(
    dispatch: &mut Dispatch,
    now: MonoTime,
    lease: Lease,
    usage: &Usage,
    effects: &mut Vec<Effect>,
) -> bool {
    let Some(plain) =
        dispatch.plain.filter(|plain| plain.key == lease.batch).or_else(|| Plain::of(dispatch, lease.batch))
    else {
        return false;
    };
    let Some(batch) = dispatch.batches[lease.batch.0 as usize].as_deref_mut() else { return false };
    let Some(live) = dispatch.slots.get(lease.slot).filter(|live| live.lease == lease) else {
        return false;
    };
    let live = *live;
    let row = &mut batch.rows[lease.index as usize];
    if row.trouble != TroubleId::NONE {
        return false;
    }
    row.attempts = row.attempts.saturating_add(1);
    let mut usage = *usage;
    usage.ran = usage.ran.max(now - live.started);
    dispatch.scheduler.on_finish(token(lease.batch, lease.index), usage);
    if dispatch.limits.is_some() {
        limited::ended(dispatch, lease, live, &Outcome::Succeeded, now);
    }
    dispatch.plain = Some(plain);
    match end(dispatch, lease, live.started, now) {
        (record, Directive::Continue) => {
            effects.push(Effect::Record(record));
            follow(dispatch, plain, lease, now, effects);
        }
        (record, directive) => {
            dispatch.plain = None;
            dispatch.slots.free(lease);
            let stop = finish::obey(dispatch, lease.batch, directive, effects);
            effects.push(Effect::Record(record));
            if let Some((closing, stop_running)) = stop {
                close::begin(dispatch, lease.batch, closing, stop_running, now, effects);
            }
            fill::fill(dispatch, now, effects);
        }
    }
    true
}

/// Ends the job. Its record, and what the failure strategy says.
fn end(dispatch: &mut Dispatch, lease: Lease, started: MonoTime, now: MonoTime) -> (Record, Directive) {
    let Dispatch { batches, classes, unanswered, .. } = dispatch;
    let batch = batches[lease.batch.0 as usize].as_deref_mut().expect("it was looked at");
    batch.apply(lease.index, Transition::End(Status::Succeeded));
    let result = FinalResult::new(Status::Succeeded, None, now);
    let submitted = batch.counts.submitted;
    let directive = edge::ask(Decider::Failure, || batch.setup.failure.on_result(&result, submitted));
    batch.begun_open -= 1;
    *unanswered += 1;
    let row = &batch.rows[lease.index as usize];
    let class = classes.get(row.class);
    let record = Record {
        batch: lease.batch,
        index: lease.index,
        status: Status::Succeeded,
        failure: None,
        attempts: row.attempts,
        priority: class.priority,
        tenant: class.tenant.clone(),
        queued: row.enqueued,
        started: Some(started),
        finished: now,
    };
    (record, directive)
}

/// Starts what follows, the first in the slot of the attempt that ended.
fn follow(dispatch: &mut Dispatch, plain: Plain, ended: Lease, now: MonoTime, effects: &mut Vec<Effect>) {
    let mut left = Some(ended.slot);
    while may_start(dispatch, left, now) {
        let pick = dispatch.scheduler.pop(now);
        let index = match pick {
            Pick::Run(token) if is_plain_job(dispatch, plain, token) => of_token(token).1,
            pick => {
                dispatch.plain = None;
                if left.is_some() {
                    dispatch.slots.free(ended);
                }
                return fill::fill_with(dispatch, pick, now, effects);
            }
        };
        if dispatch.limits.is_none() || limited::admit(dispatch, plain.key, index, token(plain.key, index), now) {
            start(dispatch, plain, index, left.take(), now, effects);
        }
    }
    if left.is_some() {
        dispatch.slots.free(ended);
    }
}

/// What is left to ask of the gates of the host. The slot that was left counts as free.
fn may_start(dispatch: &mut Dispatch, left: Option<SlotId>, now: MonoTime) -> bool {
    let running = dispatch.slots.running() - u32::from(left.is_some());
    if running >= dispatch.settings.limit.get() || !dispatch.has_room() {
        return false;
    }
    let Some(limits) = &dispatch.limits else { return true };
    if dispatch.set_aside() >= dispatch.settings.parked_limit.get() {
        return false;
    }
    match limits.shut(now) {
        None => true,
        Some((key, _)) => {
            limited::arm(dispatch, key, now);
            false
        }
    }
}

/// Whether there is no more to the start of a job than its limits.
fn is_plain_job(dispatch: &Dispatch, plain: Plain, token: Token) -> bool {
    let (key, index) = of_token(token);
    // One that was lost with its host may be what takes hosts down.
    let is_clean = |row: &Row| row.trouble == TroubleId::NONE && row.crashes == 0;
    key == plain.key
        && dispatch
            .batch(key)
            .is_some_and(|batch| queue::is_ready(batch, index) && is_clean(&batch.rows[index as usize]))
}

/// Starts a job, in the slot that was left or else in a free one.
fn start(
    dispatch: &mut Dispatch,
    plain: Plain,
    index: u32,
    left: Option<SlotId>,
    now: MonoTime,
    effects: &mut Vec<Effect>,
) {
    let Dispatch { batches, classes, slots, .. } = dispatch;
    let batch = batches[plain.key.0 as usize].as_deref_mut().expect("it was looked at");
    batch.apply(index, Transition::Start);
    let row = &mut batch.rows[index as usize];
    classes.get_mut(row.class).queued -= 1;
    row.epoch += 1;
    if row.epoch == 1 {
        batch.begun += 1;
        batch.begun_open += 1;
    }
    let lease = match left {
        Some(slot) => slots.take_over(Lease { batch: plain.key, index, epoch: row.epoch, slot }, now, plain.timeout),
        None => slots.take(plain.key, index, row.epoch, now, plain.timeout),
    };
    row.slot = lease.slot.0;
    effects.push(Effect::Start(Start {
        lease,
        attempt: row.attempts.saturating_add(1),
        resume: row.epoch > 1 || batch.setup.resumed,
        timeout: plain.timeout,
        queued: row.enqueued,
        given_up: Vec::new(),
        memory: None,
    }));
}
