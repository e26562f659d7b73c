//! The store of a batch has no room, or has room again. Running attempts go on: their records wait.

use batchmill_core::MonoTime;

use crate::{
    BatchKey, Effect,
    dispatch::Dispatch,
    step::{fill, pause},
};

pub(crate) fn step(
    dispatch: &mut Dispatch,
    now: MonoTime,
    key: BatchKey,
    why: Option<String>,
    effects: &mut Vec<Effect>,
) {
    let Some(batch) = dispatch.batch_mut(key) else { return };
    batch.storage_full = why;
    if batch.storage_full.is_none() {
        pause::unpark(dispatch, now);
        fill::fill(dispatch, now, effects);
    }
}
