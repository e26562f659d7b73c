//! All jobs of a batch are here: its total is known.

use batchmill_core::MonoTime;

use crate::{
    BatchKey, Effect,
    dispatch::Dispatch,
    step::{close, fill, pause},
};

pub(crate) fn step(dispatch: &mut Dispatch, now: MonoTime, key: BatchKey, effects: &mut Vec<Effect>) {
    let Some(batch) = dispatch.batch_mut(key) else { return };
    batch.sealed = true;
    // Picked while the batch was not allowed to start.
    pause::unpark(dispatch);
    close::end_if_over(dispatch, key, effects);
    fill::fill(dispatch, now, effects);
}
