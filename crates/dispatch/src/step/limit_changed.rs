//! More or fewer attempts may run. Running ones are never stopped for it.

use std::{borrow::Cow, num::NonZeroU32};

use batchmill_core::MonoTime;

use crate::{Effect, dispatch::Dispatch, step::fill};

pub(crate) fn step(
    dispatch: &mut Dispatch,
    now: MonoTime,
    limit: NonZeroU32,
    why: Option<Cow<'static, str>>,
    effects: &mut Vec<Effect>,
) {
    dispatch.settings.limit = limit;
    dispatch.limit_reason = why;
    fill::fill(dispatch, now, effects);
}
