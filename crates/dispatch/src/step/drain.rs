//! The host ends.

use batchmill_core::{CancelReason, MonoTime};

use crate::{BatchKey, Effect, StopCause, dispatch::Dispatch, step::close};

pub(crate) fn step(dispatch: &mut Dispatch, now: MonoTime, stop: Option<CancelReason>, effects: &mut Vec<Effect>) {
    dispatch.draining = true;
    if let Some(how) = stop {
        for live in dispatch.slots.iter_mut() {
            // Said again even where it changes nothing: it may be more urgent now.
            live.stop(StopCause::Host);
            effects.push(Effect::Stop { lease: live.lease, how });
        }
    }
    let keys: Vec<BatchKey> = dispatch.batches.iter().flatten().map(|batch| batch.key).collect();
    for key in keys {
        close::end_if_over(dispatch, key, now, effects);
    }
}
