//! Retries and the tokens they cost: a storm of failures must not become a storm of attempts.

use batchmill_core::{JobState, MonoTime, Transition};

use crate::{BatchKey, batch::Batch, budget::Parked, dispatch::Dispatch, step::queue};

/// A retry of a batch with a budget is due: it gets in line for a token, in backoff as before. True if there is no
/// budget, and so no line.
pub(crate) fn is_free(dispatch: &mut Dispatch, key: BatchKey, retry: Parked) -> bool {
    let Some(budget) = dispatch.batch_mut(key).and_then(|batch| batch.budget.as_mut()) else { return true };
    budget.park(retry);
    if !dispatch.short_of_tokens.contains(&key) {
        dispatch.short_of_tokens.push(key);
    }
    false
}

/// A job of a batch with a budget succeeded.
pub(crate) fn earn(dispatch: &mut Dispatch, key: BatchKey, index: u32, now: MonoTime) {
    let Some(batch) = dispatch.batch_mut(key) else { return };
    let Some(budget) = &mut batch.budget else { return };
    budget.earn(batch.rows[index as usize].attempts > 1, now);
    if dispatch.short_of_tokens.contains(&key) {
        release(dispatch, key, now);
        announce(dispatch);
    }
}

/// Time has passed: those in line go as far as there are tokens, in all batches.
pub(crate) fn release_all(dispatch: &mut Dispatch, now: MonoTime) {
    if dispatch.short_of_tokens.is_empty() {
        return;
    }
    for place in 0..dispatch.short_of_tokens.len() {
        release(dispatch, dispatch.short_of_tokens[place], now);
    }
    announce(dispatch);
}

/// A batch has ended: nobody of it waits for a token any more.
pub(crate) fn forget(dispatch: &mut Dispatch, key: BatchKey) {
    dispatch.short_of_tokens.retain(|short| *short != key);
    announce(dispatch);
}

fn release(dispatch: &mut Dispatch, key: BatchKey, now: MonoTime) {
    while let Some(index) = next(dispatch, key, now) {
        dispatch.backing_off -= 1;
        queue::push(dispatch, key, index);
    }
}

fn next(dispatch: &mut Dispatch, key: BatchKey, now: MonoTime) -> Option<u32> {
    let batch = dispatch.batch_mut(key)?;
    if !has_future(batch) {
        return None;
    }
    let mut budget = batch.budget.take()?;
    // A job that is too late ends by its own timer.
    let waits = |(index, epoch): Parked| {
        let row = &batch.rows[index as usize];
        row.state == JobState::Backoff && row.epoch == epoch && !batch.is_too_late(index, now)
    };
    let released = budget.release(now, waits);
    batch.budget = Some(budget);
    let (index, _) = released?;
    batch.apply(index, Transition::RetryDue);
    Some(index)
}

/// Whether retries of a batch will run at all: where it is closing they get their end instead.
fn has_future(batch: &Batch) -> bool {
    batch.closing.is_none() && batch.journal_failed.is_none()
}

/// Tells the timers when the next token is there for somebody who waits.
fn announce(dispatch: &mut Dispatch) {
    let Dispatch { short_of_tokens, batches, timers, .. } = dispatch;
    let mut next = None::<MonoTime>;
    short_of_tokens.retain(|key| {
        let batch = batches.get(key.0 as usize).and_then(Option::as_deref).filter(|batch| has_future(batch));
        let release = batch.and_then(|batch| batch.budget.as_ref()?.next_release());
        next = next.into_iter().chain(release).min();
        release.is_some()
    });
    timers.next_token = next;
}
