//! Handing jobs to the scheduler and taking them back.

use batchmill_core::{Entry, JobState};

use crate::{
    BatchKey,
    batch::{Batch, token},
    dispatch::Dispatch,
};

/// Queues a job that is ready.
pub(crate) fn push(dispatch: &mut Dispatch, batch: BatchKey, index: u32) {
    let Dispatch { batches, classes, scheduler, .. } = dispatch;
    let Some(batch) = batches[batch.0 as usize].as_deref() else { return };
    let row = batch.rows[index as usize];
    debug_assert_eq!(row.state, JobState::Ready);
    let wishes = batch.wishes(index);
    let class = classes.get_mut(row.class);
    class.queued += 1;
    let mut entry = Entry::new(token(batch.key, index), row.class, class.priority, class.tenant.as_str(), row.enqueued);
    entry.cost = wishes.cost;
    entry.deadline = wishes.deadline;
    scheduler.push(entry);
}

/// Takes a job out again that was pushed and not picked.
pub(crate) fn remove(dispatch: &mut Dispatch, batch: BatchKey, index: u32) {
    let Some(row) = dispatch.batch(batch).map(|batch| batch.rows[index as usize]) else { return };
    debug_assert_eq!(row.state, JobState::Ready);
    let token = token(batch, index);
    if !dispatch.scheduler.remove(token) {
        // Picked for a paused batch and set aside.
        dispatch.parked.retain(|parked| *parked != token);
    }
    dispatch.classes.get_mut(row.class).queued -= 1;
}

/// Whether a job is still in the state in which it was queued; a scheduler that hands out a token twice must not start
/// a job twice.
pub(crate) fn is_ready(batch: &Batch, index: u32) -> bool {
    batch.rows.get(index as usize).is_some_and(|row| row.state == JobState::Ready)
}
