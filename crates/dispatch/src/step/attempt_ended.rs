//! The hot path: an attempt has ended, what is next for its slot?

use std::time::Duration;

use batchmill_core::{
    AttemptFailure, Draw, ErrorClass, FailedAttempt, JobError, MonoTime, NodeFailure, Outcome, RetryDecision, Status,
    Transition, Usage,
};

use crate::{
    Effect, GivenUp, Lease, StopCause,
    batch::{Batch, token},
    dispatch::Dispatch,
    slots::Live,
    step::{
        close,
        fill::{self, fill},
        finish::{End, Heard, finish},
        queue,
    },
    timers::Due,
    trouble::{FailedTry, Trouble},
};

pub(crate) fn step(
    dispatch: &mut Dispatch,
    now: MonoTime,
    lease: Lease,
    outcome: Outcome,
    usage: Usage,
    draw: Draw,
    effects: &mut Vec<Effect>,
) {
    let Some(live) = dispatch.slots.free(lease) else {
        dispatch.stale += 1;
        return;
    };
    let decision = match &outcome {
        // What was told to end may end by an error of its own; the stop still decides.
        Outcome::Failed(failure) if live.stopping.is_none_or(|cause| cause == StopCause::Host) => {
            dispatch.batch_mut(lease.batch).map(|batch| decide(batch, lease, live, failure, draw, now))
        }
        _ => None,
    };
    if let Some(Decision::GoOn(given_up)) = decision {
        return fill::go_on(dispatch, lease, live.started, given_up, now, effects);
    }
    dispatch.scheduler.on_finish(token(lease.batch, lease.index), usage);
    match (outcome, decision) {
        (Outcome::Succeeded, _) => succeeded(dispatch, lease, live, now, effects),
        (Outcome::Failed(failure), Some(decision)) => {
            count_attempt(dispatch, lease);
            remember(dispatch, lease, live, &failure, now);
            match decision {
                Decision::Retry(delay) => retry(dispatch, lease, failure.first.error.class, delay, now, effects),
                Decision::GiveUp(place) => give_up(dispatch, lease, live, &failure, place, now, effects),
                Decision::GoOn(_) => {}
            }
        }
        (Outcome::Lost, _) => lost(dispatch, lease, live, now, effects),
        // Stopped, and what a later version may add: the attempt is void.
        _ => stopped(dispatch, lease, live, now, effects),
    }
    if dispatch.draining || dispatch.batch(lease.batch).is_some_and(|batch| batch.storage_failed.is_some()) {
        close::end_if_over(dispatch, lease.batch, effects);
    }
    fill(dispatch, now, effects);
}

fn count_attempt(dispatch: &mut Dispatch, lease: Lease) {
    if let Some(batch) = dispatch.batch_mut(lease.batch) {
        let attempts = &mut batch.rows[lease.index as usize].attempts;
        *attempts = attempts.saturating_add(1);
    }
}

fn succeeded(dispatch: &mut Dispatch, lease: Lease, live: Live, now: MonoTime, effects: &mut Vec<Effect>) {
    count_attempt(dispatch, lease);
    let end = End { status: Status::Succeeded, error: None, started: Some(live.started), heard: Heard::Yes };
    finish(dispatch, lease.batch, lease.index, end, now, effects);
}

fn give_up(
    dispatch: &mut Dispatch,
    lease: Lease,
    live: Live,
    failure: &AttemptFailure,
    place: usize,
    now: MonoTime,
    effects: &mut Vec<Effect>,
) {
    let last = failure.iter().nth(place).unwrap_or(&failure.first).clone();
    let status = if last.error.class == ErrorClass::Timeout { Status::TimedOut } else { Status::Failed };
    let end = End::running(status, job_error(last), live.started, Heard::Yes);
    finish(dispatch, lease.batch, lease.index, end, now, effects);
}

enum Decision {
    /// Every failure may be retried: after the longest of their delays.
    Retry(Duration),
    /// All that failed for good is handled by the flow.
    GoOn(Vec<GivenUp>),
    /// This failure, counted from the first, ends the job.
    GiveUp(usize),
}

/// Asks the retry policies about every node that failed. Retries come before handlers: as long as one failure is
/// retried, the attempt is repeated, and what was given up is decided again with it.
fn decide(
    batch: &mut Batch,
    lease: Lease,
    live: Live,
    failure: &AttemptFailure,
    draw: Draw,
    now: MonoTime,
) -> Decision {
    let mut trouble = batch.troubles.remove(&lease.index).unwrap_or_else(|| Box::new(Trouble::new(live.started)));
    let elapsed = now - trouble.first_started;
    let (mut delay, mut given_up) = (None::<Duration>, Vec::new());
    let mut over = None;
    for (place, failed) in failure.iter().enumerate() {
        let attempt = trouble.count(failed.node.as_ref());
        match verdict(batch, failed, attempt, elapsed, draw) {
            Some(wait) => delay = Some(delay.map_or(wait, |longest| longest.max(wait))),
            None if failed.handled => given_up.extend(handled(failed)),
            None => over = over.or(Some(place)),
        }
    }
    batch.troubles.insert(lease.index, trouble);
    match (over, delay) {
        (Some(place), _) => Decision::GiveUp(place),
        (None, Some(delay)) => Decision::Retry(delay),
        (None, None) => Decision::GoOn(given_up),
    }
}

fn verdict(batch: &Batch, failed: &NodeFailure, attempt: u32, elapsed: Duration, draw: Draw) -> Option<Duration> {
    if matches!(failed.error.class, ErrorClass::Fatal | ErrorClass::Cancelled) {
        return None;
    }
    let asked = FailedAttempt::new(attempt, failed.error.class, elapsed, failed.error.retry_after, draw);
    match batch.policy(failed.retry).decide(&asked) {
        RetryDecision::After(delay) => Some(delay),
        _ => None,
    }
}

fn handled(failed: &NodeFailure) -> Option<GivenUp> {
    // A failure without a node has no handler.
    failed.node.clone().map(|node| GivenUp { node, error: job_error(failed.clone()) })
}

fn job_error(failed: NodeFailure) -> JobError {
    let mut error = JobError::from(failed.error);
    error.node = failed.node;
    error
}

/// Adds the attempt to the history of its job.
fn remember(dispatch: &mut Dispatch, lease: Lease, live: Live, failure: &AttemptFailure, now: MonoTime) {
    let Some(batch) = dispatch.batch_mut(lease.batch) else { return };
    let attempt = u32::from(batch.rows[lease.index as usize].attempts);
    let first = &failure.first.error;
    let tried =
        FailedTry { attempt, class: first.class, message: first.message.clone(), at: now, ran: now - live.started };
    let trouble = batch.troubles.entry(lease.index).or_insert_with(|| Box::new(Trouble::new(live.started)));
    trouble.tries.push(tried);
}

fn retry(
    dispatch: &mut Dispatch,
    lease: Lease,
    class: ErrorClass,
    delay: Duration,
    now: MonoTime,
    effects: &mut Vec<Effect>,
) {
    let Some(batch) = dispatch.batch_mut(lease.batch) else { return };
    batch.apply(lease.index, Transition::Retry);
    batch.retries += 1;
    let epoch = batch.rows[lease.index as usize].epoch;
    let due = now + delay;
    dispatch.backing_off += 1;
    dispatch.timers.arm(due, Due::Retry(lease.batch, lease.index, epoch));
    effects.push(Effect::Retrying { lease, class, due });
    close_if_closing(dispatch, lease, now, effects);
}

/// A job that comes back to a batch that is closing gets its end like the others.
fn close_if_closing(dispatch: &mut Dispatch, lease: Lease, now: MonoTime, effects: &mut Vec<Effect>) {
    if let Some(batch) = dispatch.batch_mut(lease.batch)
        && batch.closing.is_some()
    {
        batch.closed_upto = batch.closed_upto.min(lease.index as usize);
        close::go_on(dispatch, lease.batch, now, effects);
    }
}

fn lost(dispatch: &mut Dispatch, lease: Lease, live: Live, now: MonoTime, effects: &mut Vec<Effect>) {
    let Some(batch) = dispatch.batch_mut(lease.batch) else { return };
    let limit = batch.setup.crash_limit;
    let row = &mut batch.rows[lease.index as usize];
    row.crashes = row.crashes.saturating_add(1);
    let crashes = row.crashes;
    if u32::from(crashes) >= limit {
        let message = format!("its host or worker was lost {crashes} times while it ran");
        let error = JobError::new(ErrorClass::Crash, "crash_limit", message);
        let end = End::running(Status::Quarantined, error, live.started, Heard::Yes);
        finish(dispatch, lease.batch, lease.index, end, now, effects);
    } else {
        back_to_queue(dispatch, lease, now, effects);
    }
}

fn back_to_queue(dispatch: &mut Dispatch, lease: Lease, now: MonoTime, effects: &mut Vec<Effect>) {
    let Some(batch) = dispatch.batch_mut(lease.batch) else { return };
    batch.apply(lease.index, Transition::Lost);
    queue::push(dispatch, lease.batch, lease.index);
    close_if_closing(dispatch, lease, now, effects);
}

fn stopped(dispatch: &mut Dispatch, lease: Lease, live: Live, now: MonoTime, effects: &mut Vec<Effect>) {
    let cause = live.stopping.unwrap_or(StopCause::Host);
    let (status, class, code, message) = match cause {
        StopCause::Host => return back_to_queue(dispatch, lease, now, effects),
        StopCause::Halt => (Status::Skipped, ErrorClass::Cancelled, "halted", "stopped with its batch"),
        StopCause::Cancel => (Status::Cancelled, ErrorClass::Cancelled, "cancelled", "cancelled by request"),
        StopCause::BatchDeadline => {
            (Status::TimedOut, ErrorClass::Timeout, "batch_deadline", "the deadline of the batch passed while it ran")
        }
        StopCause::JobDeadline => {
            (Status::TimedOut, ErrorClass::Timeout, "deadline", "its deadline passed while it ran")
        }
    };
    let error = JobError::new(class, code, message);
    let heard = if cause == StopCause::JobDeadline { Heard::Yes } else { Heard::No };
    finish(dispatch, lease.batch, lease.index, End::running(status, error, live.started, heard), now, effects);
}
