//! What the failure strategy of a batch heard under earlier hosts. What it decided then holds: nothing of it is decided
//! again.

use batchmill_core::FinalResult;

use crate::{
    BatchKey,
    dispatch::Dispatch,
    edge::{self, Decider},
};

pub(crate) fn step(dispatch: &mut Dispatch, key: BatchKey, ends: &[FinalResult]) {
    let Some(batch) = dispatch.batch_mut(key) else { return };
    assert!(!batch.sealed, "a sealed batch has no past any more");
    let total = batch.counts.submitted;
    for end in ends {
        // What it answers was obeyed when it was new.
        let _ = edge::ask(Decider::Failure, || batch.setup.failure.on_result(end, total));
    }
}
