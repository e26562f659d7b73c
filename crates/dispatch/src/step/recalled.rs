//! What earlier hosts of a batch decided. It holds: nothing of it is decided again.

use batchmill_core::{Closing, FinalResult, MonoTime, Pause};

use crate::{
    BatchKey, Effect,
    dispatch::Dispatch,
    edge::{self, Decider},
    step::close,
};

pub(crate) fn step(
    dispatch: &mut Dispatch,
    now: MonoTime,
    key: BatchKey,
    ends: &[FinalResult],
    closing: Option<Closing>,
    paused: Option<Pause>,
    effects: &mut Vec<Effect>,
) {
    let Some(batch) = dispatch.batch_mut(key) else { return };
    assert!(!batch.sealed, "a sealed batch has no past any more");
    let total = batch.counts.submitted;
    for end in ends {
        // What it answers was obeyed when it was new.
        let _ = edge::ask(Decider::Failure, || batch.setup.failure.on_result(end, total));
    }
    if paused.is_some() {
        batch.paused = paused;
    }
    if let Some(closing) = closing {
        close::restore(dispatch, key, closing);
        close::go_on(dispatch, now, effects);
    }
}
