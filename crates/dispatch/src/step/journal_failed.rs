//! Records of a batch have nowhere to go. Going on would produce results that nobody gets.

use batchmill_core::MonoTime;

use crate::{
    BatchKey, Effect, JournalFailure, StopCause,
    dispatch::Dispatch,
    step::{close, fill},
};

pub(crate) fn step(
    dispatch: &mut Dispatch,
    now: MonoTime,
    key: BatchKey,
    failure: JournalFailure,
    effects: &mut Vec<Effect>,
) {
    let Some(batch) = dispatch.batch_mut(key) else { return };
    if batch.journal_failed.is_none() {
        batch.journal_failed = Some(failure);
        close::stop_batch(dispatch, key, StopCause::Host, effects);
    }
    close::end_if_over(dispatch, key, now, effects);
    // Its unanswered records count no more: others may use the room.
    close::go_on(dispatch, now, effects);
    fill::fill(dispatch, now, effects);
}
