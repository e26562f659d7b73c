//! A person pauses a batch, or lets it go on.

use batchmill_core::{MonoTime, Pause};

use crate::{
    BatchKey, Effect,
    batch::of_token,
    dispatch::Dispatch,
    step::{fill, queue},
};

pub(crate) fn step(dispatch: &mut Dispatch, now: MonoTime, key: BatchKey, paused: bool, effects: &mut Vec<Effect>) {
    let Some(batch) = dispatch.batch_mut(key) else { return };
    if paused {
        // The rule that paused it says more than the person who would have.
        if batch.paused.is_none() {
            batch.paused = Some(Pause::Requested);
            effects.push(Effect::Paused { batch: key, pause: batch.paused.clone() });
            // What was kept for one of its jobs is free for those of other batches.
            if dispatch.resources.on {
                fill::fill(dispatch, now, effects);
            }
        }
    } else if batch.paused.take().is_some() {
        effects.push(Effect::Paused { batch: key, pause: None });
        unpark(dispatch, now);
        fill::fill(dispatch, now, effects);
    }
}

/// Gives back to the scheduler what was set aside and may start now. It keeps its place: `enqueued` is unchanged.
pub(crate) fn unpark(dispatch: &mut Dispatch, now: MonoTime) {
    for _ in 0..dispatch.parked.len() {
        let Some(token) = dispatch.parked.pop_front() else { return };
        let (key, index) = of_token(token);
        if !dispatch.batch(key).is_some_and(|batch| batch.takes_starts(now)) {
            dispatch.parked.push_back(token);
            continue;
        }
        queue::mark(dispatch, token, false);
        queue::hand_over(dispatch, key, index);
    }
}
