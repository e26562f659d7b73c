//! The hot path: an attempt has ended, what is next for its slot?

use std::time::Duration;

use batchmill_core::{
    AttemptFailure, Draw, ErrorClass, FailedAttempt, GivenUp, JobError, MonoTime, NodeError, NodeFailure, Outcome,
    RetryDecision, Status, Transition, Usage,
    fault::{self, Sabotage},
};

use crate::{
    Effect, Lease, StopCause,
    batch::{Batch, token},
    dispatch::Dispatch,
    edge::{self, Decider},
    slots::Live,
    step::{
        budget, close,
        fill::{self, fill},
        finish::{End, Heard, finish},
        limited, pressure, queue, resources, suspects, waiting,
    },
    timers::Due,
    trouble::{FailedTry, Trouble},
};

pub(crate) fn step(
    dispatch: &mut Dispatch,
    now: MonoTime,
    lease: Lease,
    outcome: Outcome,
    mut usage: Usage,
    draw: Draw,
    effects: &mut Vec<Effect>,
) {
    let Some(live) = dispatch.slots.free(lease) else {
        dispatch.stale += 1;
        return;
    };
    let decision = match &outcome {
        // What was told to end may end by an error of its own; the stop still decides.
        Outcome::Failed(failure) if live.stopping.is_none() => {
            dispatch.batch_mut(lease.batch).map(|batch| decide(batch, lease, live, failure, draw, now))
        }
        _ => None,
    };
    if dispatch.limits.is_some()
        && let Outcome::Failed(failure) = &outcome
    {
        limited::asked_to_wait(dispatch, lease, failure, now);
    }
    if dispatch.resources.on {
        dispatch.resources.learn(lease, usage);
    }
    if let Some(Decision::GoOn(given_up)) = decision {
        fill::go_on(dispatch, live, given_up, now, effects);
        if dispatch.resources.on {
            // What its flow needs may be known only now: those who waited for that may fit.
            fill(dispatch, now, effects);
        }
        return;
    }
    // An attempt that went on without a node held its slot since before this lease.
    usage.ran = usage.ran.max(now - live.started);
    dispatch.scheduler.on_finish(token(lease.batch, lease.index), usage);
    suspects::ended(dispatch, lease);
    if dispatch.limits.is_some() {
        limited::ended(dispatch, lease, live, &outcome, now);
    }
    if dispatch.resources.on {
        dispatch.resources.end(lease);
    }
    match (outcome, decision) {
        (Outcome::Succeeded, _) => succeeded(dispatch, lease, live, now, effects),
        (Outcome::Failed(failure), Some(decision)) => {
            count_attempt(dispatch, lease);
            remember(dispatch, lease, live, &failure, now);
            match decision {
                Decision::Retry(_) if is_closing(dispatch, lease) => closed(dispatch, lease, live, now, effects),
                _ if is_out_of_time(dispatch, lease, &decision, &failure, now) => {
                    let error = waiting::job_timeout(dispatch.batch(lease.batch));
                    let end = End::running(Status::TimedOut, error, live.started, Heard::Yes);
                    finish(dispatch, lease.batch, lease.index, end, now, effects);
                }
                Decision::Retry(delay) => {
                    if dispatch.resources.on {
                        resources::ask_for_more(dispatch, lease, &failure, now);
                    }
                    retry(dispatch, lease, failure.first.error.class, delay, now, effects);
                }
                Decision::GiveUp(place) => give_up(dispatch, lease, live, &failure, place, now, effects),
                Decision::GoOn(_) => {}
            }
        }
        // Had it been told to end, the stop decides: it must not run again.
        (Outcome::Lost, _) if !live.is_decided() => lost(dispatch, lease, live, now, effects),
        // Stopped, and what a later version may add: the attempt is void.
        _ => stopped(dispatch, lease, live, now, effects),
    }
    if dispatch.draining || dispatch.batch(lease.batch).is_some_and(|batch| batch.journal_failed.is_some()) {
        close::end_if_over(dispatch, lease.batch, now, effects);
        close::go_on(dispatch, now, effects);
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
    if let Some(batch) = dispatch.batch_mut(lease.batch) {
        if batch.setup.timeout_percent.is_some() {
            batch.median.add(now - live.started);
        }
        if batch.budget.is_some() {
            budget::earn(dispatch, lease.batch, lease.index, now);
        }
    }
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

/// Whether the time of a job is over as a whole: what would run again does not, and a limit that was reached was this one.
fn is_out_of_time(
    dispatch: &Dispatch,
    lease: Lease,
    decision: &Decision,
    failure: &AttemptFailure,
    now: MonoTime,
) -> bool {
    let due = dispatch.batch(lease.batch).and_then(|batch| batch.job_due(lease.index));
    let is_cut_off = |place: usize| {
        let over = failure.iter().nth(place);
        over.is_some_and(|over| over.node.is_none() && over.error.class == ErrorClass::Timeout)
    };
    let by_time = match decision {
        Decision::Retry(_) => true,
        Decision::GiveUp(place) => is_cut_off(*place),
        Decision::GoOn(_) => false,
    };
    by_time && due.is_some_and(|due| due <= now)
}

/// Asks the retry policies about every node that failed. Retries come before handlers: as long as one failure is
/// retried, the attempt is repeated, and goes on without what was given up beside it.
fn decide(
    batch: &mut Batch,
    lease: Lease,
    live: Live,
    failure: &AttemptFailure,
    draw: Draw,
    now: MonoTime,
) -> Decision {
    let trouble = batch.in_trouble(lease.index, live.started);
    let begun = batch.troubles.get(trouble).and_then(Trouble::first_started);
    let elapsed = now - begun.unwrap_or(live.started);
    let (mut delay, mut given_up) = (None::<Duration>, Vec::new());
    let (mut fatal, mut over) = (None, None);
    let number = batch.rows[lease.index as usize].attempts.saturating_add(1);
    for (place, failed) in failure.iter().enumerate() {
        let attempt = batch.troubles.count(trouble, failed.node.as_ref());
        match verdict(batch, failed, attempt, elapsed, draw) {
            Some(wait) => delay = Some(delay.map_or(wait, |longest| longest.max(wait))),
            // Before every handler: it stops the batch.
            None if failed.error.class == ErrorClass::Fatal => fatal = fatal.or(Some(place)),
            None => match handled(failed, number) {
                Some(node) => given_up.push(node),
                None => over = over.or(Some(place)),
            },
        }
    }
    match (fatal.or(over), delay) {
        (Some(place), _) => Decision::GiveUp(place),
        (None, Some(delay)) => {
            if let Some(trouble) = batch.troubles.get_mut(trouble) {
                trouble.give_up(given_up);
            }
            Decision::Retry(delay)
        }
        (None, None) => Decision::GoOn(given_up),
    }
}

fn verdict(batch: &Batch, failed: &NodeFailure, attempt: u32, elapsed: Duration, draw: Draw) -> Option<Duration> {
    if matches!(failed.error.class, ErrorClass::Fatal | ErrorClass::Cancelled) {
        return None;
    }
    let asked = FailedAttempt::new(attempt, failed.error.class, elapsed, failed.error.retry_after, draw);
    match edge::ask(Decider::Retry, || batch.policy(failed.retry).decide(&asked)) {
        RetryDecision::After(delay) => Some(delay),
        _ => None,
    }
}

fn handled(failed: &NodeFailure, attempt: u32) -> Option<GivenUp> {
    // A failure without a node has no handler.
    let node = failed.node.clone().filter(|_| failed.handled)?;
    Some(GivenUp::new(node, job_error(failed.clone()), attempt))
}

fn job_error(failed: NodeFailure) -> JobError {
    let mut error = JobError::from(failed.error);
    error.node = failed.node;
    error
}

/// Adds the attempt to the history of its job.
fn remember(dispatch: &mut Dispatch, lease: Lease, live: Live, failure: &AttemptFailure, now: MonoTime) {
    let Some(batch) = dispatch.batch_mut(lease.batch) else { return };
    let attempt = batch.rows[lease.index as usize].attempts;
    let first = &failure.first.error;
    let message = batch.troubles.message(&first.message);
    let tried = FailedTry { attempt, class: first.class, message, at: now, ran: now - live.started };
    let trouble = batch.in_trouble(lease.index, live.started);
    batch.troubles.failed(trouble, tried);
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
    let row = batch.rows[lease.index as usize];
    let due = now + delay;
    let setback = Box::new(batch.troubles.setback(row.trouble, row.attempts, due));
    dispatch.backing_off += 1;
    dispatch.timers.arm(due, Due::Retry(lease.batch, lease.index, row.epoch));
    waiting::arm_job_timeout(dispatch, lease.batch, lease.index);
    effects.push(Effect::Retrying { lease, class, due, setback });
}

pub(crate) fn is_closing(dispatch: &Dispatch, lease: Lease) -> bool {
    dispatch.batch(lease.batch).is_some_and(|batch| batch.closing.is_some())
}

/// A job that would run again, in a batch that is closing, gets its end like those that wait.
fn closed(dispatch: &mut Dispatch, lease: Lease, live: Live, now: MonoTime, effects: &mut Vec<Effect>) {
    let Some(closing) = dispatch.batch(lease.batch).and_then(|batch| batch.closing.as_ref()) else { return };
    let (status, error) = close::end_of_waiting(closing);
    finish(dispatch, lease.batch, lease.index, End::running(status, error, live.started, Heard::No), now, effects);
}

fn lost(dispatch: &mut Dispatch, lease: Lease, live: Live, now: MonoTime, effects: &mut Vec<Effect>) {
    let Some(batch) = dispatch.batch_mut(lease.batch) else { return };
    let trouble = batch.in_trouble(lease.index, live.started);
    let crashes = batch.troubles.get_mut(trouble).map_or(1, Trouble::count_crash);
    if batch.is_poison(crashes) {
        let end = End::running(Status::Quarantined, waiting::crash_limit(crashes), live.started, Heard::Yes);
        finish(dispatch, lease.batch, lease.index, end, now, effects);
    } else {
        back_to_queue(dispatch, lease, live, now, effects);
    }
}

pub(crate) fn back_to_queue(
    dispatch: &mut Dispatch,
    lease: Lease,
    live: Live,
    now: MonoTime,
    effects: &mut Vec<Effect>,
) {
    if is_closing(dispatch, lease) {
        return closed(dispatch, lease, live, now, effects);
    }
    let Some(batch) = dispatch.batch_mut(lease.batch) else { return };
    // It has started, whatever became of that.
    batch.in_trouble(lease.index, live.started);
    batch.apply(lease.index, Transition::Lost);
    waiting::arm_job_timeout(dispatch, lease.batch, lease.index);
    queue::push(dispatch, lease.batch, lease.index);
}

fn stopped(dispatch: &mut Dispatch, lease: Lease, live: Live, now: MonoTime, effects: &mut Vec<Effect>) {
    let cause = live.stopping.unwrap_or(StopCause::Host);
    let (status, class, code, message) = match cause {
        StopCause::Host if fault::breaks(Sabotage::CountPlannedStop) => {
            return count_planned_stop(dispatch, lease, live, now, effects);
        }
        StopCause::Host => return back_to_queue(dispatch, lease, live, now, effects),
        StopCause::Pressure => return pressure::ended(dispatch, lease, live, now, effects),
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

/// What must never be: a stop of the host is an attempt that failed and is repeated.
fn count_planned_stop(dispatch: &mut Dispatch, lease: Lease, live: Live, now: MonoTime, effects: &mut Vec<Effect>) {
    let class = ErrorClass::Transient;
    let failure =
        AttemptFailure::new(NodeFailure::of_attempt(NodeError::new(class, "stopped", "stopped with its host")));
    count_attempt(dispatch, lease);
    remember(dispatch, lease, live, &failure, now);
    retry(dispatch, lease, class, Duration::ZERO, now, effects);
}
