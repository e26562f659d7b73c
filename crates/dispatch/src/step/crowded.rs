//! Results that wait to be recorded take too much memory, or do not any more. Running attempts go on.

use batchmill_core::MonoTime;

use crate::{
    Effect,
    dispatch::Dispatch,
    step::{close, fill},
};

pub(crate) fn step(dispatch: &mut Dispatch, now: MonoTime, crowded: bool, effects: &mut Vec<Effect>) {
    dispatch.crowded = crowded;
    if !crowded {
        close::go_on(dispatch, now, effects);
        fill::fill(dispatch, now, effects);
    }
}
