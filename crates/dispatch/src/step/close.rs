//! Giving every waiting job of a batch its end, and ending the batch.

use batchmill_core::{CancelReason, Closing, ErrorClass, JobError, JobState, MonoTime, Status, Verdict};

use crate::{
    BatchKey, Effect, JournalFailure, Reason, Share, StopCause,
    batch::{Batch, of_token},
    dispatch::Dispatch,
    step::{
        budget,
        finish::{End, Heard, finish},
        limited, queue, resources, waiting,
    },
};

/// Begins to close a batch: nothing of it starts any more, waiting jobs get their end as fast as records are answered.
/// A batch closes once: a later reason changes neither verdict nor the end of waiting jobs, but may stop what still runs.
pub(crate) fn begin(
    dispatch: &mut Dispatch,
    key: BatchKey,
    closing: Closing,
    stop_running: bool,
    now: MonoTime,
    effects: &mut Vec<Effect>,
) {
    let cause = stop_cause(&closing);
    decide(dispatch, key, closing, effects);
    if stop_running {
        stop_batch(dispatch, key, cause, effects);
    }
    go_on(dispatch, now, effects);
}

/// The first half of it: the decision, and the word of it.
pub(crate) fn decide(dispatch: &mut Dispatch, key: BatchKey, closing: Closing, effects: &mut Vec<Effect>) {
    let Some(batch) = dispatch.batch_mut(key) else { return };
    if batch.closing.is_none() {
        batch.closing = Some(closing.clone());
        dispatch.closing.push(key);
        effects.push(Effect::Closing { batch: key, closing });
    }
}

fn stop_cause(closing: &Closing) -> StopCause {
    match closing {
        Closing::Halted(_) => StopCause::Halt,
        Closing::Cancelled => StopCause::Cancel,
        Closing::DeadlinePassed => StopCause::BatchDeadline,
    }
}

/// Tells every running attempt of a batch to end.
pub(crate) fn stop_batch(dispatch: &mut Dispatch, key: BatchKey, cause: StopCause, effects: &mut Vec<Effect>) {
    for live in dispatch.slots.iter_mut().filter(|live| live.lease.batch == key) {
        if live.stop(cause) {
            effects.push(Effect::Stop { lease: live.lease, how: CancelReason::Stop });
        }
    }
}

/// Gives ends to waiting jobs while there is room for their records. The room is the host's: whenever some is made, by
/// whichever batch, every batch that waits for it goes on.
pub(crate) fn go_on(dispatch: &mut Dispatch, now: MonoTime, effects: &mut Vec<Effect>) {
    waiting::go_on(dispatch, now, effects);
    let mut place = 0;
    while let Some(key) = dispatch.closing.get(place).copied()
        && dispatch.has_room()
    {
        close_on(dispatch, key, now, effects);
        place += 1;
    }
}

fn close_on(dispatch: &mut Dispatch, key: BatchKey, now: MonoTime, effects: &mut Vec<Effect>) {
    let Some(batch) = dispatch.batch(key) else { return };
    let Some(closing) = batch.closing.clone().filter(|_| batch.journal_failed.is_none()) else { return };
    let (total, mut index) = (batch.rows.len(), batch.closed_upto);
    while index < total && dispatch.has_room() {
        let place = u32::try_from(index).expect("a batch has fewer than 2^32 jobs");
        if waiting::take_back(dispatch, key, place, now) {
            let (status, error) = end_of_waiting(&closing);
            finish(dispatch, key, place, End::waiting(status, error, Heard::No), now, effects);
        }
        index += 1;
    }
    if let Some(batch) = dispatch.batch_mut(key) {
        batch.closed_upto = index;
    }
}

/// How jobs end that can not run to their end because their batch is closing.
pub(crate) fn end_of_waiting(closing: &Closing) -> (Status, JobError) {
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
pub(crate) fn end_if_over(dispatch: &mut Dispatch, key: BatchKey, now: MonoTime, effects: &mut Vec<Effect>) {
    let Some(batch) = dispatch.batch(key) else { return };
    let Some(verdict) = verdict(dispatch, batch) else { return };
    let (counts, retries) = (batch.counts, batch.retries);
    let left = if counts.is_complete() { Vec::new() } else { left(dispatch, key, now) };
    forget(dispatch, key, now);
    effects.push(Effect::BatchEnded { batch: key, verdict, counts: Box::new(counts), retries, left });
}

/// The reasons of jobs without an end.
fn left(dispatch: &Dispatch, key: BatchKey, now: MonoTime) -> Vec<Share> {
    let mut shares = dispatch.census(key, now);
    shares.retain(|share| !matches!(share.reason, Reason::Ended { .. }));
    shares
}

fn verdict(dispatch: &Dispatch, batch: &Batch) -> Option<Verdict> {
    if let Some(failure) = &batch.journal_failed {
        return (batch.counts.running == 0).then(|| match failure {
            JournalFailure::Fenced => Verdict::Fenced,
            JournalFailure::Broken(message) => Verdict::StorageFailed(message.clone()),
        });
    }
    let complete = batch.counts.is_complete();
    match &batch.closing {
        // The rest of its jobs does not come any more when the host ends.
        Some(closing) => (complete && (batch.sealed || dispatch.draining)).then(|| match closing {
            Closing::Halted(reason) => Verdict::Halted(reason.clone()),
            Closing::Cancelled => Verdict::Cancelled,
            Closing::DeadlinePassed => Verdict::DeadlinePassed,
        }),
        None if batch.sealed && (complete || batch.is_trial_over()) => Some(Verdict::of(&batch.counts)),
        None => {
            let at_rest = batch.counts.running == 0 && batch.counts.recording == 0;
            let promised = || waiting::any_promised(dispatch, batch);
            (dispatch.draining && at_rest && !promised()).then_some(Verdict::Drained)
        }
    }
}

/// Lets go of a batch and of what it left in shared places.
fn forget(dispatch: &mut Dispatch, key: BatchKey, now: MonoTime) {
    resources::forget(dispatch, key);
    let Some(batch) = dispatch.batches[key.0 as usize].take() else { return };
    dispatch.unanswered -= batch.counts.recording;
    dispatch.backing_off -= batch.counts.backing_off;
    dispatch.closing.retain(|closing| *closing != key);
    dispatch.timers.forget(key);
    budget::forget(dispatch, key);
    queue::remove_parked(dispatch, |token| of_token(token).0 == key);
    for (index, row) in batch.rows.iter().enumerate().filter(|(_, row)| row.state == JobState::Ready) {
        // Those that a trial left out are not there any more.
        if !row.parked {
            dispatch.scheduler.remove(batch.token(u32::try_from(index).expect("a batch has fewer than 2^32 jobs")));
        }
        *dispatch.classes.queued(row.class) -= 1;
    }
    limited::forget(dispatch, key, now);
}
