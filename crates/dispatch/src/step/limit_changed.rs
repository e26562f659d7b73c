//! More or fewer attempts may run. Running ones are never stopped for it.

use batchmill_core::MonoTime;

use crate::{Effect, dispatch::Dispatch, step::fill};

pub(crate) fn step(dispatch: &mut Dispatch, now: MonoTime, limit: u32, effects: &mut Vec<Effect>) {
    // A limit of nothing would never end.
    dispatch.settings.limit = limit.max(1);
    fill::fill(dispatch, now, effects);
}
