//! Giving every waiting job of a batch its end, and ending the batch.

use batchmill_core::{CancelReason, ErrorClass, JobError, JobState, MonoTime, Status, Verdict};

use crate::{
    BatchKey, Effect, StopCause,
    batch::Closing,
    dispatch::Dispatch,
    step::{
        finish::{End, Heard, finish},
        queue,
    },
};

/// Begins to close a batch: nothing of it starts any more, waiting jobs get their end as fast as records are answered.
/// A batch closes once; a later reason changes nothing.
pub(crate) fn begin(
    dispatch: &mut Dispatch,
    key: BatchKey,
    closing: Closing,
    stop_running: bool,
    now: MonoTime,
    effects: &mut Vec<Effect>,
) {
    let Some(batch) = dispatch.batch_mut(key) else { return };
    if batch.closing.is_some() {
        return;
    }
    let cause = closing.stop_cause();
    batch.closing = Some(closing);
    if stop_running {
        stop_batch(dispatch, key, cause, effects);
    }
    go_on(dispatch, key, now, effects);
}

/// Tells every running attempt of a batch to end.
pub(crate) fn stop_batch(dispatch: &mut Dispatch, key: BatchKey, cause: StopCause, effects: &mut Vec<Effect>) {
    for live in dispatch.slots.iter_mut().filter(|live| live.lease.batch == key) {
        live.stopping = Some(cause);
        effects.push(Effect::Stop { lease: live.lease, how: CancelReason::Stop });
    }
}

/// Gives ends to waiting jobs while there is room for their records.
pub(crate) fn go_on(dispatch: &mut Dispatch, key: BatchKey, now: MonoTime, effects: &mut Vec<Effect>) {
    let Some(batch) = dispatch.batch(key) else { return };
    let Some(closing) = batch.closing.clone().filter(|_| batch.storage_failed.is_none()) else { return };
    let (total, mut index) = (batch.rows.len(), batch.closed_upto);
    while index < total && dispatch.unanswered < dispatch.settings.unanswered_limit {
        let place = u32::try_from(index).expect("a batch has fewer than 2^32 jobs");
        end_waiting(dispatch, key, place, &closing, now, effects);
        index += 1;
    }
    if let Some(batch) = dispatch.batch_mut(key) {
        batch.closed_upto = index;
    }
}

fn end_waiting(
    dispatch: &mut Dispatch,
    key: BatchKey,
    index: u32,
    closing: &Closing,
    now: MonoTime,
    effects: &mut Vec<Effect>,
) {
    let Some(batch) = dispatch.batch(key) else { return };
    let state = batch.rows[index as usize].state;
    if !take_back(dispatch, key, index, state) {
        return;
    }
    let (status, error) = end_of_waiting(closing);
    finish(dispatch, key, index, End::waiting(status, error, Heard::No), now, effects);
}

/// Takes a waiting job out of wherever it waits; false if it does not wait.
pub(crate) fn take_back(dispatch: &mut Dispatch, key: BatchKey, index: u32, state: JobState) -> bool {
    match state {
        JobState::Ready => queue::remove(dispatch, key, index),
        JobState::Backoff => dispatch.backing_off -= 1,
        JobState::Pending => {}
        _ => return false,
    }
    true
}

fn end_of_waiting(closing: &Closing) -> (Status, JobError) {
    let cancelled = |code, message| JobError::new(ErrorClass::Cancelled, code, message);
    match closing {
        Closing::Halted(reason) => {
            (Status::Skipped, cancelled("halted", format!("skipped: the batch was stopped by `{}`", reason.rule)))
        }
        Closing::Cancelled => (Status::Cancelled, cancelled("cancelled", "cancelled by request".to_owned())),
        Closing::DeadlinePassed => {
            (Status::Skipped, cancelled("batch_deadline", "skipped: the deadline of the batch has passed".to_owned()))
        }
    }
}

/// Ends a batch whose time has come; without that, does nothing.
pub(crate) fn end_if_over(dispatch: &mut Dispatch, key: BatchKey, effects: &mut Vec<Effect>) {
    let draining = dispatch.draining;
    let Some(batch) = dispatch.batch(key) else { return };
    let Some(verdict) = verdict(batch, draining) else { return };
    let (counts, retries) = (batch.counts, batch.retries);
    forget(dispatch, key);
    effects.push(Effect::BatchEnded { batch: key, verdict, counts, retries });
}

fn verdict(batch: &crate::batch::Batch, draining: bool) -> Option<Verdict> {
    if let Some(message) = &batch.storage_failed {
        return (batch.counts.running == 0).then(|| Verdict::StorageFailed(message.clone()));
    }
    let at_rest = batch.counts.running == 0 && batch.counts.recording == 0;
    if batch.sealed && batch.counts.is_complete() {
        return Some(match &batch.closing {
            Some(Closing::Halted(reason)) => Verdict::Halted(reason.clone()),
            Some(Closing::Cancelled) => Verdict::Cancelled,
            Some(Closing::DeadlinePassed) => Verdict::DeadlinePassed,
            None => Verdict::of(&batch.counts),
        });
    }
    (draining && at_rest && batch.closing.is_none()).then_some(Verdict::Drained)
}

/// Lets go of a batch and of what it left in shared places.
fn forget(dispatch: &mut Dispatch, key: BatchKey) {
    let Some(batch) = dispatch.batches[key.0 as usize].take() else { return };
    dispatch.unanswered -= batch.counts.recording;
    dispatch.backing_off -= batch.counts.backing_off;
    for (index, row) in batch.rows.iter().enumerate().filter(|(_, row)| row.state == JobState::Ready) {
        let token = batch.token(u32::try_from(index).expect("a batch has fewer than 2^32 jobs"));
        if !dispatch.scheduler.remove(token) {
            dispatch.parked.retain(|parked| *parked != token);
        }
        dispatch.classes.get_mut(row.class).queued -= 1;
    }
}
