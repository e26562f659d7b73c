//! Records of a batch have nowhere to go. Going on would produce results that nobody gets.

use batchmill_core::MonoTime;

use crate::{
    BatchKey, Effect, StopCause,
    dispatch::Dispatch,
    step::{close, fill},
};

pub(crate) fn step(dispatch: &mut Dispatch, now: MonoTime, key: BatchKey, message: String, effects: &mut Vec<Effect>) {
    let Some(batch) = dispatch.batch_mut(key) else { return };
    if batch.storage_failed.is_none() {
        batch.storage_failed = Some(message);
        close::stop_batch(dispatch, key, StopCause::Host, effects);
    }
    close::end_if_over(dispatch, key, now, effects);
    // Its unanswered records count no more: others may use the room.
    close::go_on(dispatch, now, effects);
    fill::fill(dispatch, now, effects);
}
