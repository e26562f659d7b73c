//! An attempt was ended because memory ran short: it counts for nothing, on a counter of its own.

use batchmill_core::{ErrorClass, JobError, MonoTime, Status};

use crate::{
    Effect, Lease,
    dispatch::Dispatch,
    slots::Live,
    step::{
        attempt_ended::{back_to_queue, is_closing},
        finish::{End, Heard, finish},
    },
    trouble::{FailedTry, Trouble},
};

/// It runs again, unless that has happened too often.
pub(crate) fn ended(dispatch: &mut Dispatch, lease: Lease, live: Live, now: MonoTime, effects: &mut Vec<Effect>) {
    let (limit, closes) = (dispatch.resources.settings.kill_limit, is_closing(dispatch, lease));
    let Some(batch) = dispatch.batch_mut(lease.batch) else { return };
    let row = batch.rows[lease.index as usize];
    let (trouble, message) = (batch.in_trouble(lease.index, live.started), batch.troubles.message(KILLED));
    let number = row.attempts.saturating_add(1);
    batch.troubles.failed(trouble, FailedTry::new(number, ErrorClass::Resource, message, now, now - live.started));
    let kills = batch.troubles.get_mut(trouble).map_or(1, Trouble::count_kill);
    let setback = batch.troubles.setback(trouble, row.attempts, now);
    if closes || kills <= limit {
        if !closes {
            effects.push(Effect::Requeued { lease, setback: Box::new(setback) });
        }
        back_to_queue(dispatch, lease, live, now, effects);
    } else {
        let end = End::running(Status::Failed, too_often(kills), live.started, Heard::Yes);
        finish(dispatch, lease.batch, lease.index, end, now, effects);
    }
}

/// What the history of the job says of it.
const KILLED: &str = "ended because memory ran short; it counts as no attempt";

fn too_often(kills: u32) -> JobError {
    let message =
        format!("ended {kills} times because memory ran short: it needs more than there is beside the others");
    JobError::new(ErrorClass::Resource, "memory_pressure", message)
}
