//! Records are where they belong.

use batchmill_core::{JobState, MonoTime, Transition};

use crate::{
    BatchKey, Effect,
    dispatch::Dispatch,
    step::{close, fill},
};

pub(crate) fn step(dispatch: &mut Dispatch, now: MonoTime, key: BatchKey, jobs: &[u32], effects: &mut Vec<Effect>) {
    let Some(batch) = dispatch.batch_mut(key) else { return };
    let mut answered = 0;
    for index in jobs {
        // A second answer for the same record is harmless.
        if matches!(batch.rows[*index as usize].state, JobState::Recording(_)) {
            batch.apply(*index, Transition::Recorded);
            answered += 1;
        }
    }
    dispatch.unanswered -= answered;
    close::go_on(dispatch, now, effects);
    close::end_if_over(dispatch, key, now, effects);
    fill::fill(dispatch, now, effects);
}
