//! A person cancels a batch, or some of its jobs.

use batchmill_core::{CancelReason, Closing, JobState, MonoTime};

use crate::{
    BatchKey, Effect, SlotId, StopCause,
    dispatch::Dispatch,
    step::{
        close, fill,
        waiting::{self, WaitingEnd},
    },
};

pub(crate) fn step(
    dispatch: &mut Dispatch,
    now: MonoTime,
    key: BatchKey,
    jobs: Option<&[u32]>,
    effects: &mut Vec<Effect>,
) {
    match jobs {
        None => close::begin(dispatch, key, Closing::Cancelled, true, now, effects),
        Some(jobs) => {
            for index in jobs {
                cancel_one(dispatch, key, *index, now, effects);
            }
        }
    }
    close::end_if_over(dispatch, key, now, effects);
    fill::fill(dispatch, now, effects);
}

fn cancel_one(dispatch: &mut Dispatch, key: BatchKey, index: u32, now: MonoTime, effects: &mut Vec<Effect>) {
    let Some(row) = dispatch.batch(key).and_then(|batch| batch.rows.get(index as usize).copied()) else { return };
    if row.state == JobState::Running {
        let Some(live) = dispatch.slots.get_mut(SlotId(row.slot)) else { return };
        if live.stop(StopCause::Cancel) {
            effects.push(Effect::Stop { lease: live.lease, how: CancelReason::Stop });
        }
    } else {
        waiting::end(dispatch, key, index, WaitingEnd::Cancelled, now, effects);
    }
}
