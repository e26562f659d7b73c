//! Ends under limits of keys: one by one, because what each leaves decides about what follows.

use batchmill_core::{Directive, FinalResult, JobState, MonoTime, Outcome, Pick, Status, Transition};

use crate::{
    Effect,
    batch::token,
    dispatch::Dispatch,
    edge::{self, Decider},
    step::limited,
    trouble::TroubleId,
};

use super::{Odd, Plain, Short, Turn, go_on, plain_job, record, start};

/// Takes ends up to the first that is not plain or leads to effects.
pub(super) fn take<'t>(
    dispatch: &mut Dispatch,
    plain: Plain,
    turns: impl Iterator<Item = Turn<'t>>,
    effects: &mut Vec<Effect>,
) {
    for mut turn in turns {
        let ended = turn.start.lease;
        *turn.short = match end(dispatch, plain, &mut turn).and_then(|()| follow(dispatch, plain, &mut turn)) {
            Ok(short) => short,
            Err(odd) => go_on(dispatch, turn.at, (ended, turn.record), odd, effects),
        };
        // Limits arm timers.
        dispatch.announce(effects);
        if *turn.short == Short::Untold || !effects.is_empty() {
            return;
        }
    }
}

/// Ends the job.
fn end(dispatch: &mut Dispatch, plain: Plain, turn: &mut Turn<'_>) -> Result<(), Odd> {
    let (lease, now) = (turn.start.lease, turn.at);
    let Some(live) = dispatch.slots.get(lease.slot).filter(|live| live.lease == lease).copied() else {
        return Err(Odd::Untold);
    };
    let Some(batch) = dispatch.batches[plain.key.0 as usize].as_deref_mut().filter(|batch| batch.key == lease.batch)
    else {
        return Err(Odd::Untold);
    };
    let row = &mut batch.rows[lease.index as usize];
    if row.trouble != TroubleId::NONE {
        return Err(Odd::Untold);
    }
    row.attempts = row.attempts.saturating_add(1);
    *turn.record = Some(record(lease, row, dispatch.classes.get(row.class), live.started, now));
    let mut usage = *turn.usage;
    usage.ran = usage.ran.max(now - live.started);
    dispatch.scheduler.on_finish(token(lease.batch, lease.index), usage);
    limited::ended(dispatch, lease, live, &Outcome::Succeeded, now);
    let batch = dispatch.batches[plain.key.0 as usize].as_deref_mut().expect("it was looked at");
    batch.apply_to(lease.index, JobState::Running, Transition::End(Status::Succeeded));
    let result = FinalResult::new(Status::Succeeded, None, now);
    let submitted = batch.counts.submitted;
    let directive = edge::ask(Decider::Failure, || batch.setup.failure.on_result(&result, submitted));
    batch.begun_open -= 1;
    dispatch.unanswered += 1;
    match directive {
        Directive::Continue => Ok(()),
        directive => Err(Odd::Told(directive)),
    }
}

/// Starts what follows, in the slot of the attempt that ended.
fn follow(dispatch: &mut Dispatch, plain: Plain, turn: &mut Turn<'_>) -> Result<Short, Odd> {
    let (lease, now) = (turn.start.lease, turn.at);
    // The slot that was left counts as free.
    let others = dispatch.slots.running() - 1;
    while may_start(dispatch, others, now) {
        let pick = dispatch.scheduler.pop(now);
        let Pick::Run(picked) = pick else { return Err(Odd::Picked(pick)) };
        let index = dispatch.batch(plain.key).and_then(|batch| plain_job(batch, picked));
        let Some(index) = index else { return Err(Odd::Picked(pick)) };
        if !limited::admit(dispatch, plain.key, index, picked, now) {
            continue;
        }
        let Dispatch { batches, classes, slots, .. } = dispatch;
        let batch = batches[plain.key.0 as usize].as_deref_mut().expect("it was looked at");
        batch.apply_to(index, JobState::Ready, Transition::Start);
        classes.get_mut(batch.rows[index as usize].class).queued -= 1;
        start(batch, slots, (index, lease.slot), plain, now, turn.start);
        return if others + 1 < dispatch.settings.limit.get() { Err(Odd::Room) } else { Ok(Short::Followed) };
    }
    dispatch.slots.free(lease);
    Ok(Short::Left)
}

/// What is left to ask of the gates of the host.
fn may_start(dispatch: &mut Dispatch, running: u32, now: MonoTime) -> bool {
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
