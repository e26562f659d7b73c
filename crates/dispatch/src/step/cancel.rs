//! A person cancels a batch, or some of its jobs.

use batchmill_core::{CancelReason, ErrorClass, JobError, JobState, MonoTime, Status};

use crate::{
    BatchKey, Effect, SlotId, StopCause,
    batch::Closing,
    dispatch::Dispatch,
    step::{
        close, fill,
        finish::{End, Heard, finish},
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
    close::end_if_over(dispatch, key, effects);
    fill::fill(dispatch, now, effects);
}

fn cancel_one(dispatch: &mut Dispatch, key: BatchKey, index: u32, now: MonoTime, effects: &mut Vec<Effect>) {
    let Some(row) = dispatch.batch(key).and_then(|batch| batch.rows.get(index as usize).copied()) else { return };
    if row.state == JobState::Running {
        let Some(live) = dispatch.slots.get_mut(SlotId(row.slot)) else { return };
        live.stopping = Some(StopCause::Cancel);
        effects.push(Effect::Stop { lease: live.lease, how: CancelReason::Stop });
    } else if close::take_back(dispatch, key, index, row.state) {
        let error = JobError::new(ErrorClass::Cancelled, "cancelled", "cancelled by request");
        finish(dispatch, key, index, End::waiting(Status::Cancelled, error, Heard::No), now, effects);
    }
}
