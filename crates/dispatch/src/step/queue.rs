//! Handing jobs to the scheduler and taking them back.

use batchmill_core::{ClassId, Entry, JobState, Token, Usage};

use crate::{
    BatchKey,
    batch::{Batch, of_token, token},
    dispatch::Dispatch,
};

/// Queues a job that is ready.
pub(crate) fn push(dispatch: &mut Dispatch, batch: BatchKey, index: u32) {
    let Some(class) = hand_over(dispatch, batch, index) else { return };
    dispatch.classes.get_mut(class).queued += 1;
}

/// Gives a queued job to the scheduler.
pub(crate) fn hand_over(dispatch: &mut Dispatch, batch: BatchKey, index: u32) -> Option<ClassId> {
    let Dispatch { batches, classes, scheduler, .. } = dispatch;
    let batch = batches[batch.0 as usize].as_deref()?;
    let row = batch.rows[index as usize];
    debug_assert_eq!(row.state, JobState::Ready);
    let (class, wishes) = (classes.get(row.class), batch.wishes(index));
    let mut entry = Entry::new(batch.token(index), row.class, class.priority, class.tenant.as_str(), row.enqueued);
    entry.cost = wishes.cost;
    entry.deadline = wishes.deadline;
    scheduler.push(entry);
    Some(row.class)
}

/// Takes a job out again that was pushed and did not start.
pub(crate) fn remove(dispatch: &mut Dispatch, batch: BatchKey, index: u32) {
    let Some(row) = dispatch.batch(batch).map(|batch| batch.rows[index as usize]) else { return };
    debug_assert_eq!(row.state, JobState::Ready);
    let token = token(batch, index);
    if row.parked {
        remove_parked(dispatch, |parked| parked == token);
    } else {
        dispatch.scheduler.remove(token);
    }
    dispatch.classes.get_mut(row.class).queued -= 1;
}

/// Sets a picked job aside until its batch takes starts, or gives it another end. Picked, not run: the scheduler hears at
/// once that this is over, so that nobody's share is charged for it meanwhile.
pub(crate) fn park(dispatch: &mut Dispatch, token: Token) {
    mark(dispatch, token, true);
    dispatch.scheduler.on_finish(token, Usage::default());
    dispatch.parked.push_back(token);
}

/// Sets a picked job aside for good: its batch is a trial, and others were first. It stays pending.
pub(crate) fn leave_out(dispatch: &mut Dispatch, token: Token) {
    mark(dispatch, token, true);
    dispatch.scheduler.on_finish(token, Usage::default());
}

/// Drops jobs that were set aside.
pub(crate) fn remove_parked(dispatch: &mut Dispatch, goes: impl Fn(Token) -> bool) {
    let mut parked = std::mem::take(&mut dispatch.parked);
    let mut aside = std::mem::take(&mut dispatch.suspects.aside);
    for tokens in [&mut parked, &mut aside] {
        tokens.retain(|token| {
            let stays = !goes(*token);
            if !stays {
                mark(dispatch, *token, false);
            }
            stays
        });
    }
    (dispatch.parked, dispatch.suspects.aside) = (parked, aside);
}

/// Notes on a job's row whether it is set aside.
pub(crate) fn mark(dispatch: &mut Dispatch, token: Token, parked: bool) {
    let (batch, index) = of_token(token);
    if let Some(batch) = dispatch.batch_mut(batch) {
        batch.rows[index as usize].parked = parked;
    }
}

/// Whether a job may be picked: it was queued and nothing happened to it since. A scheduler that hands out a token twice
/// must not start, or set aside, a job twice.
pub(crate) fn is_ready(batch: &Batch, index: u32) -> bool {
    batch.rows.get(index as usize).is_some_and(|row| row.state == JobState::Ready && !row.parked)
}
