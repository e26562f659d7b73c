//! Handing jobs to the scheduler and taking them back.

use std::ops::Range;

use batchmill_core::{ClassId, Entry, JobState, MonoTime, Token, Usage};

use crate::{
    BatchKey,
    batch::{Batch, Row, of_token, token},
    classes::Classes,
    dispatch::Dispatch,
    step::{limited, resources},
};

/// Queues a job that is ready.
pub(crate) fn push(dispatch: &mut Dispatch, batch: BatchKey, index: u32) {
    let Some(class) = hand_over(dispatch, batch, index) else { return };
    *dispatch.classes.queued(class) += 1;
}

/// Jobs that are handed to the scheduler in one call, at most.
const AT_ONCE: usize = 64;

/// Queues jobs of a batch that are ready, in this order; those of a run are alike. A call of the scheduler may cross a boundary,
/// and there may be millions.
pub(crate) fn push_all(
    dispatch: &mut Dispatch,
    key: BatchKey,
    runs: impl ExactSizeIterator<Item = Range<u32>> + Clone,
) {
    if runs.len() == 0 {
        return;
    }
    let Dispatch { batches, classes, scheduler, limits, .. } = dispatch;
    let Some(batch) = batches[key.0 as usize].as_deref() else { return };
    let mut entries: Vec<Entry<'_>> = Vec::with_capacity(AT_ONCE);
    let mut push = |entry| {
        if entries.len() == AT_ONCE {
            scheduler.push_many(&entries);
            entries.clear();
        }
        entries.push(entry);
    };
    for run in runs.clone() {
        let mut entry = entry(batch, classes, run.start, Place::Own);
        for index in run.start + 1..run.end {
            push(entry.clone());
            entry.token = batch.token(index);
        }
        push(entry);
    }
    if !entries.is_empty() {
        scheduler.push_many(&entries);
    }
    let mut limits = limits.as_mut().filter(|limits| limits.is_any_awaited());
    for run in runs {
        let Row { class, enqueued, .. } = batch.rows[run.start as usize];
        *classes.queued(class) += run.len() as u64;
        if let Some(limits) = limits.as_mut().filter(|limits| limits.is_held(class)) {
            run.for_each(|index| limits.queued(class, enqueued, batch.token(index)));
        }
    }
}

/// Gives a queued job to the scheduler.
pub(crate) fn hand_over(dispatch: &mut Dispatch, batch: BatchKey, index: u32) -> Option<ClassId> {
    hand_over_as(dispatch, batch, index, Place::Own)
}

/// Gives a job back to the scheduler that it has picked: to the place where it was.
pub(crate) fn give_back(dispatch: &mut Dispatch, batch: BatchKey, index: u32) {
    hand_over_as(dispatch, batch, index, Place::BeforeEquals);
}

/// Where a job goes among those that were queued at the same moment, as all jobs of a batch may have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Where the scheduler puts it: commonly behind them.
    Own,
    /// Before them. A nanosecond says so to any scheduler; without it, each time that a key is used up, its first job would
    /// become its last.
    BeforeEquals,
}

fn hand_over_as(dispatch: &mut Dispatch, batch: BatchKey, index: u32, place: Place) -> Option<ClassId> {
    let Dispatch { batches, classes, scheduler, limits, .. } = dispatch;
    let batch = batches[batch.0 as usize].as_deref()?;
    let row = batch.rows[index as usize];
    scheduler.push(entry(batch, classes, index, place));
    if let Some(limits) = limits {
        limits.queued(row.class, row.enqueued, batch.token(index));
    }
    Some(row.class)
}

/// A job that is ready, as schedulers see jobs.
fn entry<'a>(batch: &Batch, classes: &'a Classes, index: u32, place: Place) -> Entry<'a> {
    let row = batch.rows[index as usize];
    debug_assert_eq!(row.state, JobState::Ready);
    let (class, wishes) = (classes.get(row.class), batch.wishes(index));
    let earlier = u64::from(place == Place::BeforeEquals);
    let enqueued = MonoTime::from_nanos(row.enqueued.as_nanos().saturating_sub(earlier));
    let mut entry = Entry::new(batch.token(index), row.class, class.priority, class.share(), enqueued);
    entry.cost = wishes.cost;
    entry.deadline = wishes.deadline;
    entry
}

/// Takes a job out again that was pushed and did not start.
pub(crate) fn remove(dispatch: &mut Dispatch, batch: BatchKey, index: u32, now: MonoTime) {
    let Some(row) = dispatch.batch(batch).map(|batch| batch.rows[index as usize]) else { return };
    debug_assert_eq!(row.state, JobState::Ready);
    let token = token(batch, index);
    if row.parked && resources::take_back(dispatch, token) {
        dispatch.scheduler.on_finish(token, Usage::default());
    } else if !row.parked {
        dispatch.scheduler.remove(token);
    } else if dispatch.limits.as_mut().is_some_and(|limits| limits.take_back(token)) {
        mark(dispatch, token, false);
    } else {
        remove_parked(dispatch, |parked| parked == token);
    }
    *dispatch.classes.queued(row.class) -= 1;
    if dispatch.limits.is_some() {
        limited::removed(dispatch, row.class, token, now);
    }
}

/// Sets a picked job aside until its batch takes starts, or gives it another end. Picked, not run: the scheduler hears at
/// once that this is over, so that nobody's share is charged for it meanwhile.
pub(crate) fn park(dispatch: &mut Dispatch, token: Token, now: MonoTime) {
    leave_out(dispatch, token, now);
    dispatch.parked.push_back(token);
}

/// Sets a picked job aside for good: its batch is a trial, and others were first. It stays pending.
pub(crate) fn leave_out(dispatch: &mut Dispatch, token: Token, now: MonoTime) {
    mark(dispatch, token, true);
    dispatch.scheduler.on_finish(token, Usage::default());
    if dispatch.limits.is_some() {
        let (batch, index) = of_token(token);
        let class = dispatch.batch(batch).map(|batch| batch.rows[index as usize].class);
        class.into_iter().for_each(|class| limited::passed_over(dispatch, class, now));
    }
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
