//! Deciding the end of a job.

use batchmill_core::{
    Closing, Directive, ErrorClass, FinalResult, JobError, MonoTime, Pause, Status, StopReason, Transition,
};

use crate::{
    BatchKey, Effect, Failure, Record,
    batch::Batch,
    dispatch::Dispatch,
    edge::{self, Decider},
    step::close,
};

/// Whether the failure strategy hears of an end: it hears of attempts, not of what it skipped itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    Yes,
    No,
}

/// How a job ends.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) status: Status,
    pub(crate) error: Option<JobError>,
    /// When its last attempt started, if it had one.
    pub(crate) started: Option<MonoTime>,
    pub(crate) heard: Heard,
}

impl End {
    /// The end of a job that waited.
    pub(crate) fn waiting(status: Status, error: JobError, heard: Heard) -> Self {
        Self { status, error: Some(error), started: None, heard }
    }

    /// The end of a job whose attempt, started at `started`, did not succeed.
    pub(crate) fn running(status: Status, error: JobError, started: MonoTime, heard: Heard) -> Self {
        Self { status, error: Some(error), started: Some(started), heard }
    }
}

/// Ends a job: hands out its record, and lets the failure strategy speak.
pub(crate) fn finish(
    dispatch: &mut Dispatch,
    key: BatchKey,
    index: u32,
    end: End,
    now: MonoTime,
    effects: &mut Vec<Effect>,
) {
    let End { status, error, started, heard } = end;
    let Some(batch) = dispatch.batch_mut(key) else { return };
    batch.apply(index, Transition::End(status));
    let stop = match heard {
        Heard::Yes => {
            let result = FinalResult::new(status, error.as_ref(), now);
            let directive = judge(batch, &result);
            obey(dispatch, key, directive, effects)
        }
        Heard::No => None,
    };
    record(dispatch, key, index, End { status, error, started, heard }, now, effects);
    if let Some((closing, stop_running)) = stop {
        close::begin(dispatch, key, closing, stop_running, now, effects);
    }
}

/// Hands out the record of an end.
fn record(dispatch: &mut Dispatch, key: BatchKey, index: u32, end: End, now: MonoTime, effects: &mut Vec<Effect>) {
    let End { status, error, started, .. } = end;
    let Dispatch { batches, classes, unanswered, .. } = dispatch;
    let Some(batch) = batches[key.0 as usize].as_deref_mut() else { return };
    *unanswered += 1;
    let row = batch.rows[index as usize];
    if row.epoch > 0 {
        batch.begun_open -= 1;
    }
    let class = classes.get(row.class);
    let trouble = batch.take_trouble(index);
    let (started, tries) = match trouble {
        Some(trouble) => (trouble.first_started().or(started), trouble.tries()),
        None => (started, Vec::new()),
    };
    effects.push(Effect::Record(Record {
        batch: key,
        index,
        status,
        failure: error.map(|error| Box::new(Failure { error, tries })),
        attempts: row.attempts,
        priority: class.priority,
        tenant: class.tenant.clone(),
        queued: row.enqueued,
        started,
        finished: now,
    }));
}

/// What the failure strategy wants after this end.
fn judge(batch: &mut Batch, result: &FinalResult) -> Directive {
    let submitted = batch.counts.submitted;
    let answer = edge::ask(Decider::Failure, || batch.setup.failure.on_result(result, submitted));
    match result.class {
        Some(ErrorClass::Fatal) => Directive::Now(StopReason::new("fatal", "a job reported a fatal error")),
        // It is told of every end, so that a replay leads to the same state; only its first stop counts.
        _ if batch.closing.is_some() => Directive::Continue,
        _ => answer,
    }
}

/// Says what is decided, before the record of the end that is its cause. What is to be done about a stop, and whether that
/// ends running attempts, is left for after it.
pub(crate) fn obey(
    dispatch: &mut Dispatch,
    key: BatchKey,
    directive: Directive,
    effects: &mut Vec<Effect>,
) -> Option<(Closing, bool)> {
    let (reason, stop_running) = match directive {
        Directive::Continue => return None,
        Directive::Pause(reason) => {
            pause(dispatch, key, reason, effects);
            return None;
        }
        Directive::Soon(reason) => (reason, false),
        Directive::Now(reason) => (reason, true),
        // A directive of a later version that this one can not obey: the careful reading of a wish to stop.
        _ => (StopReason::new("unknown", "the failure strategy asked for something unknown"), false),
    };
    let closing = Closing::Halted(reason);
    close::decide(dispatch, key, closing.clone(), effects);
    Some((closing, stop_running))
}

/// Pauses a batch, once: what still runs may end in the same way, and a person has been told already.
fn pause(dispatch: &mut Dispatch, key: BatchKey, reason: StopReason, effects: &mut Vec<Effect>) {
    let Some(batch) = dispatch.batch_mut(key) else { return };
    if matches!(batch.paused, Some(Pause::Rule(_))) {
        return;
    }
    batch.paused = Some(Pause::Rule(reason));
    effects.push(Effect::Paused { batch: key, pause: batch.paused.clone() });
}
