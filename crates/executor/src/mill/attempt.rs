//! One attempt: its time limit, its cancellation, its panics.

use std::{
    any::Any,
    future::{Future, poll_fn},
    num::NonZeroU64,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use batchmill_core::{
    AttemptFailure, CancelReason, CancelSignal, ErrorClass, MonoTime, NodeError, NodeFailure, Outcome, format_duration,
};
use tokio::time::Sleep;

use crate::{Attempt, AttemptReport, Workload};

use super::{Shared, runner::Work};

/// How long an attempt that listens to its signal may take to end by itself.
const END_GRACE: Duration = Duration::from_secs(5);
/// The same after a kill.
const KILL_GRACE: Duration = Duration::from_secs(1);

/// How the future of an attempt came to its end.
enum Ended {
    /// With a report, which is in its place.
    Reported,
    Panicked(String),
    /// It did not end in time, or nothing in it listened: it was dropped.
    Dropped,
}

/// Runs one attempt. Whatever happens in it, this returns, the attempt has really ended, and its report is in its place.
/// If it does not end at once, `before_waiting` is called when its first poll is pending.
pub(super) async fn run<W: Workload>(
    shared: &Shared<W>,
    work: &Work<W>,
    started: MonoTime,
    timer: &mut Timer,
    report: &mut AttemptReport,
    before_waiting: impl FnOnce(),
) {
    let Work { start, batch, signal, .. } = work;
    let attempt = Attempt {
        batch: &batch.id,
        index: start.lease.index.into(),
        number: start.attempt,
        resume: start.resume,
        given_up: &start.given_up,
        memory: start.memory.map(NonZeroU64::get),
        weighs: shared.weighs,
        cancel: signal,
    };
    let span = tracing::debug_span!(parent: &batch.span, "attempt", job = start.lease.index, attempt = start.attempt);
    let mut watch = Watch { signal, timer, first_reason: None, reason: None };
    // Most attempts of a fast flow never wait, and need neither timer nor hand-over.
    let (timeout, mut before_waiting) = (start.timeout, Some(before_waiting));
    let ended = {
        // In a block of its own, so that a workload that panics before it has made its future panics in there too.
        let mut future = pin!(Some(async { batch.workload.run(attempt).await }));
        let ended = poll_fn(|context| {
            let _inside = span.enter();
            let poll = || future.as_mut().as_pin_mut().expect("it is there until it has ended").poll(context);
            match catch_unwind(AssertUnwindSafe(poll)) {
                Ok(Poll::Ready(reported)) => {
                    *report = reported;
                    return Poll::Ready(Ended::Reported);
                }
                Ok(Poll::Pending) => {}
                Err(payload) => return Poll::Ready(Ended::Panicked(panic_text(payload.as_ref()))),
            }
            if let Some(before_waiting) = before_waiting.take() {
                before_waiting();
                if let Some(limit) = timeout {
                    watch.timer.arm(shared.clock.tokio(started + limit));
                }
            }
            watch.poll(context).map(|()| Ended::Dropped)
        })
        .await;
        // What an attempt holds may panic when it is dropped. The runner lives on.
        match catch_unwind(AssertUnwindSafe(|| future.set(None))) {
            Ok(()) => ended,
            Err(payload) => Ended::Panicked(panic_text(payload.as_ref())),
        }
    };
    if before_waiting.is_none() {
        watch.timer.disarm();
    }
    judge(report, ended, watch.first_reason, timeout);
}

fn judge(report: &mut AttemptReport, ended: Ended, reason: Option<CancelReason>, timeout: Option<Duration>) {
    match (ended, reason) {
        (Ended::Panicked(text), _) => *report = failed(ErrorClass::Crash, "panic", format!("panicked: {text}")),
        (_, Some(CancelReason::Timeout)) => {
            let limit = timeout.map_or_else(String::new, |limit| format!(" within {}", format_duration(limit)));
            *report = failed(ErrorClass::Timeout, "timeout", format!("did not end{limit}"));
        }
        (Ended::Dropped, _) => *report = AttemptReport::ended(None, Outcome::Stopped),
        (Ended::Reported, Some(_)) => {
            // A stopped attempt ends by an error that says so; that is no failure of the job.
            if let Outcome::Failed(failure) = &report.outcome
                && failure.iter().all(|failed| failed.error.class == ErrorClass::Cancelled)
            {
                report.outcome = Outcome::Stopped;
            }
        }
        (Ended::Reported, None) => {}
    }
}

fn failed(class: ErrorClass, code: &'static str, message: String) -> AttemptReport {
    let failure = NodeFailure::of_attempt(NodeError::new(class, code, message));
    AttemptReport::ended(None, Outcome::Failed(Box::new(AttemptFailure::new(failure))))
}

pub(super) fn panic_text(payload: &(dyn Any + Send)) -> String {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "a value that is no text".to_owned(),
    }
}

/// Watches over an attempt whose future is pending. The future is always asked first: an end that has already happened
/// beats a limit that fell due while nobody looked.
struct Watch<'a> {
    signal: &'a CancelSignal,
    timer: &'a mut Timer,
    first_reason: Option<CancelReason>,
    reason: Option<CancelReason>,
}

impl Watch<'_> {
    /// Ready when the attempt must be dropped.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Poll::Ready(reason) = self.signal.poll_stronger_than(self.reason, context) {
                self.first_reason.get_or_insert(reason);
                self.reason = Some(reason);
                if !self.signal.is_listened_to() {
                    return Poll::Ready(());
                }
                let grace = if reason == CancelReason::Kill { KILL_GRACE } else { END_GRACE };
                self.timer.arm(tokio::time::Instant::now() + grace);
                continue;
            }
            if self.timer.poll(context).is_pending() {
                return Poll::Pending;
            }
            match self.reason {
                None => self.signal.cancel(CancelReason::Timeout),
                Some(_) => return Poll::Ready(()),
            }
        }
    }
}

/// A timer that is made once a runner and armed anew for each attempt that waits.
///
/// Registering a moment with the runtime costs more than all else that an attempt needs to wait. The limits of its
/// attempts mostly are the same, so each falls due later than the one before: a registration that fires before the moment
/// that is wanted by then is only moved on. So arming costs a registration once a limit, not once an attempt.
#[derive(Default)]
pub(super) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// When it is due; `None` while it is disarmed, whatever is registered.
    due: Option<tokio::time::Instant>,
}

impl Timer {
    fn arm(&mut self, at: tokio::time::Instant) {
        self.due = Some(at);
        match &mut self.sleep {
            Some(sleep) if sleep.deadline() <= at && !sleep.is_elapsed() => {}
            Some(sleep) => sleep.as_mut().reset(at),
            None => self.sleep = Some(Box::pin(tokio::time::sleep_until(at))),
        }
    }

    fn disarm(&mut self) {
        self.due = None;
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let (Some(sleep), Some(due)) = (&mut self.sleep, self.due) else { return Poll::Pending };
        loop {
            ready!(sleep.as_mut().poll(context));
            if sleep.deadline() >= due {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(due);
        }
    }
}
