//! More or fewer attempts may run. Running ones are never stopped for it.

use std::num::NonZeroU32;

use batchmill_core::MonoTime;

use crate::{Effect, dispatch::Dispatch, step::fill};

pub(crate) fn step(dispatch: &mut Dispatch, now: MonoTime, limit: NonZeroU32, effects: &mut Vec<Effect>) {
    dispatch.settings.limit = limit;
    fill::fill(dispatch, now, effects);
}
