//! The end of single jobs that wait: cancelled, past their deadline, or lost with their hosts too often.

use batchmill_core::{ErrorClass, JobError, JobState, MonoTime, Status, format_duration};

use crate::{
    BatchKey, Effect,
    batch::Batch,
    dispatch::Dispatch,
    step::{
        finish::{End, Heard, finish},
        queue,
    },
    timers::Due,
};

/// Why a job ends that waits while its batch goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitingEnd {
    Cancelled,
    Deadline,
    /// It did not start in time.
    QueueTimeout,
    /// It started, and did not end in time.
    JobTimeout,
    CrashLimit,
}

impl WaitingEnd {
    pub(crate) fn status(self) -> Status {
        match self {
            Self::Cancelled => Status::Cancelled,
            Self::Deadline | Self::QueueTimeout | Self::JobTimeout => Status::TimedOut,
            Self::CrashLimit => Status::Quarantined,
        }
    }

    /// The code of its error.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Deadline => "deadline",
            Self::QueueTimeout => "queue_timeout",
            Self::JobTimeout => "job_timeout",
            Self::CrashLimit => "crash_limit",
        }
    }
}

/// Ends a waiting job, at once or as soon as there is room for its record.
pub(crate) fn end(
    dispatch: &mut Dispatch,
    key: BatchKey,
    index: u32,
    why: WaitingEnd,
    now: MonoTime,
    effects: &mut Vec<Effect>,
) {
    if dispatch.has_room() {
        end_now(dispatch, key, index, why, now, effects);
    } else {
        dispatch.ends.push_back((key, index, why));
    }
}

/// Ends those that found no room, as far as there is room now.
pub(crate) fn go_on(dispatch: &mut Dispatch, now: MonoTime, effects: &mut Vec<Effect>) {
    while dispatch.has_room() {
        let Some((key, index, why)) = dispatch.ends.pop_front() else { return };
        end_now(dispatch, key, index, why, now, effects);
    }
}

fn end_now(
    dispatch: &mut Dispatch,
    key: BatchKey,
    index: u32,
    why: WaitingEnd,
    now: MonoTime,
    effects: &mut Vec<Effect>,
) {
    if !take_back(dispatch, key, index, now) {
        return;
    }
    let end = match why {
        WaitingEnd::Cancelled => {
            let error = JobError::new(ErrorClass::Cancelled, why.code(), "cancelled by request");
            End::waiting(why.status(), error, Heard::No)
        }
        WaitingEnd::Deadline => {
            let error = JobError::new(ErrorClass::Timeout, why.code(), "its deadline passed before it could end");
            End::waiting(why.status(), error, Heard::Yes)
        }
        WaitingEnd::QueueTimeout => {
            let limit = dispatch.batch(key).and_then(|batch| batch.setup.queue_timeout).unwrap_or_default();
            let message = format!("it did not start within {}", format_duration(limit));
            End::waiting(why.status(), JobError::new(ErrorClass::Timeout, why.code(), message), Heard::Yes)
        }
        WaitingEnd::JobTimeout => End::waiting(why.status(), job_timeout(dispatch.batch(key)), Heard::Yes),
        WaitingEnd::CrashLimit => {
            let crashes = dispatch.batch(key).map_or(0, |batch| batch.crashes(&batch.rows[index as usize]));
            End::waiting(why.status(), crash_limit(crashes), Heard::Yes)
        }
    };
    finish(dispatch, key, index, end, now, effects);
}

/// The error of a job that has not ended in time, all attempts and waits together.
pub(crate) fn job_timeout(batch: Option<&Batch>) -> JobError {
    let limit = batch.and_then(|batch| batch.setup.job_timeout).unwrap_or_default();
    let message = format!("did not end within {} of its first start", format_duration(limit));
    JobError::new(ErrorClass::Timeout, WaitingEnd::JobTimeout.code(), message)
}

/// Watches the time of a job that waits after it has started. Of one that runs, its attempt is the limit.
pub(crate) fn arm_job_timeout(dispatch: &mut Dispatch, key: BatchKey, index: u32) {
    let Some(batch) = dispatch.batch_mut(key) else { return };
    let Some(due) = batch.job_due(index) else { return };
    // Once: the moment never changes.
    let is_armed = batch.trouble_mut(index).map(|trouble| std::mem::replace(&mut trouble.is_timed, true));
    if is_armed == Some(false) {
        dispatch.timers.arm(due, Due::JobTimeout(key, index));
    }
}

/// The error of a job that is not run again, because it may be what takes hosts down.
pub(crate) fn crash_limit(crashes: u32) -> JobError {
    let times = if crashes == 1 { "once".to_owned() } else { format!("{crashes} times") };
    JobError::new(ErrorClass::Crash, "crash_limit", format!("its host or worker was lost {times} while it ran"))
}

/// Whether a job of this batch waits for the record of an end that is decided.
pub(crate) fn any_promised(dispatch: &Dispatch, batch: &Batch) -> bool {
    let waits = |index: u32| {
        let state = batch.rows.get(index as usize).map(|row| row.state);
        matches!(state, Some(JobState::Pending | JobState::Ready | JobState::Backoff))
    };
    dispatch.ends.iter().any(|(key, index, _)| *key == batch.key && waits(*index))
}

/// Takes a waiting job out of wherever it waits; false if it does not wait.
pub(crate) fn take_back(dispatch: &mut Dispatch, key: BatchKey, index: u32, now: MonoTime) -> bool {
    let Some(state) = dispatch.batch(key).and_then(|batch| batch.rows.get(index as usize)).map(|row| row.state) else {
        return false;
    };
    match state {
        JobState::Ready => queue::remove(dispatch, key, index, now),
        JobState::Backoff => dispatch.backing_off -= 1,
        JobState::Pending => {}
        _ => return false,
    }
    true
}
