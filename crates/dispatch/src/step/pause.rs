//! A person pauses a batch, or lets it go on.

use batchmill_core::{Entry, MonoTime};

use crate::{BatchKey, Effect, batch::of_token, dispatch::Dispatch, step::fill};

pub(crate) fn step(dispatch: &mut Dispatch, now: MonoTime, key: BatchKey, paused: bool, effects: &mut Vec<Effect>) {
    let Some(batch) = dispatch.batch_mut(key) else { return };
    batch.paused = paused;
    if !paused {
        unpark(dispatch);
        fill::fill(dispatch, now, effects);
    }
}

/// Gives back to the scheduler what was set aside and may start now. It keeps its place: `enqueued` is unchanged.
pub(crate) fn unpark(dispatch: &mut Dispatch) {
    for _ in 0..dispatch.parked.len() {
        let Some(token) = dispatch.parked.pop_front() else { return };
        let (key, index) = of_token(token);
        let Dispatch { batches, classes, scheduler, parked, .. } = dispatch;
        let Some(batch) = batches[key.0 as usize].as_deref() else { continue };
        if !batch.takes_starts() {
            parked.push_back(token);
            continue;
        }
        let row = batch.rows[index as usize];
        let (class, wishes) = (classes.get(row.class), batch.wishes(index));
        let mut entry = Entry::new(token, row.class, class.priority, class.tenant.as_str(), row.enqueued);
        entry.cost = wishes.cost;
        entry.deadline = wishes.deadline;
        // Picked, not run: the scheduler hears that it is over before it sees the token again.
        scheduler.on_finish(token, batchmill_core::Usage::default());
        scheduler.push(entry);
    }
}
