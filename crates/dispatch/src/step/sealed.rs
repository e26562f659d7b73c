//! All jobs of a batch are here: its total is known.

use batchmill_core::MonoTime;

use crate::{
    BatchKey, Effect,
    dispatch::Dispatch,
    step::{
        close, fill, pause,
        waiting::{self, WaitingEnd},
    },
    timers::Due,
};

pub(crate) fn step(dispatch: &mut Dispatch, now: MonoTime, key: BatchKey, effects: &mut Vec<Effect>) {
    let Some(batch) = dispatch.batch_mut(key) else { return };
    (batch.sealed, batch.sealed_at) = (true, now);
    if let Some(limit) = batch.setup.queue_timeout {
        dispatch.timers.arm(now + limit, Due::StartLimits(key));
    }
    // Picked while the batch was not allowed to start.
    pause::unpark(dispatch, now);
    quarantine(dispatch, key, now, effects);
    end_those_too_late(dispatch, key, now, effects);
    close::end_if_over(dispatch, key, now, effects);
    fill::fill(dispatch, now, effects);
}

/// Jobs that took their hosts down as often as may be. Not before now: the failure strategy is told the total with each end.
fn quarantine(dispatch: &mut Dispatch, key: BatchKey, now: MonoTime, effects: &mut Vec<Effect>) {
    let Some(batch) = dispatch.batch_mut(key) else { return };
    for index in std::mem::take(&mut batch.poison) {
        waiting::end(dispatch, key, index, WaitingEnd::CrashLimit, now, effects);
    }
}

/// Jobs whose time was over before the total was known.
fn end_those_too_late(dispatch: &mut Dispatch, key: BatchKey, now: MonoTime, effects: &mut Vec<Effect>) {
    let Some(batch) = dispatch.batch(key) else { return };
    let watched = batch.wishes.keys().copied().chain(batch.all_in_trouble());
    let why = |index| batch.expiry(index).filter(|(at, _)| *at <= now).map(|(_, why)| (index, why));
    let mut late: Vec<(u32, WaitingEnd)> = watched.filter_map(why).collect();
    late.sort_unstable_by_key(|(index, _)| *index);
    late.dedup_by_key(|(index, _)| *index);
    for (index, why) in late {
        waiting::end(dispatch, key, index, why, now, effects);
    }
}
