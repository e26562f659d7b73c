//! What a running batch answers to those who steer it, in words and as data.

use std::time::Duration;

use batchmill_core::{BatchCounts, BatchId, format_duration};
use serde_json::{Value, json};

use crate::{
    control::{Answer, CancelledJob, Outcome, Paused, PausedBy},
    exit::Exit,
    problems::Refusal,
    summary::one_line,
};

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Cancel,
    Pause,
    Unpause,
    Drain,
    SetLimit,
}

impl Action {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Pause => "pause",
            Self::Unpause => "unpause",
            Self::Drain => "drain",
            Self::SetLimit => "limits set",
        }
    }
}

/// What a person or a program is told.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) text: String,
    /// Fields are added, never renamed or removed.
    pub(crate) value: Value,
    pub(crate) exit: Exit,
}

/// Tells what became of an action on `batch`, which commands are given as `argument`. An answer about something else is of
/// a host that speaks another language.
pub(crate) fn tell(batch: &BatchId, argument: &str, action: Action, answer: Answer) -> Result<Told, Refusal> {
    let said = |more: Value| {
        let mut value = json!({"batch": batch, "action": action.as_str()});
        if let (Value::Object(object), Value::Object(more)) = (&mut value, more) {
            object.extend(more);
        }
        value
    };
    Ok(match answer {
        Answer::Cancelling { counts } => Told {
            text: format!("{batch}: cancelling: {}\n", cancelling(&counts)),
            value: said(json!({"counts": counts})),
            exit: Exit::Success,
        },
        Answer::CancelledJobs { jobs } => Told {
            text: jobs.iter().map(|job| format!("{}: {}\n", job.job, cancelled(job))).collect(),
            exit: if jobs.iter().all(is_cancelled) { Exit::Success } else { Exit::BadData },
            value: said(json!({"jobs": jobs})),
        },
        Answer::Paused { before, now, counts } => Told {
            text: format!("{batch}: {}\n", paused(argument, action, before.as_ref(), now.as_ref(), &counts)),
            value: said(json!({"before": before, "paused": now, "counts": counts})),
            exit: Exit::Success,
        },
        Answer::Draining { counts, limit_seconds, before } => Told {
            text: format!("{batch}: {}\n", draining(argument, &counts, limit_seconds, before)),
            value: said(json!({"before": before, "counts": counts, "limit_seconds": limit_seconds})),
            exit: Exit::Success,
        },
        Answer::LimitSet { key, before, now } => Told {
            text: format!("{batch}: {}\n", limit_set(&key, before.as_deref(), &now)),
            value: said(json!({"key": key, "before": before, "now": now})),
            exit: Exit::Success,
        },
        Answer::Refused { message, .. } => return Err(Refusal::data(message)),
        _ => return Err(Refusal::storage(format!("the host of {batch} gave an answer to another question"))),
    })
}

fn limit_set(key: &str, before: Option<&str>, now: &str) -> String {
    match before {
        Some(before) if before == now => format!("{key} is {now}, as before"),
        Some(before) => format!("{key} is {now}, was {before}"),
        None => format!("{key} is {now}"),
    }
}

fn cancelling(counts: &BatchCounts) -> String {
    let running = match counts.running {
        0 => "nothing runs".to_owned(),
        1 => "1 running job is told to end".to_owned(),
        running => format!("{running} running jobs are told to end"),
    };
    format!("{running}, {}", waiting(counts))
}

/// `3 jobs wait`
fn waiting(counts: &BatchCounts) -> String {
    match counts.pending + counts.backing_off {
        1 => "1 job waits".to_owned(),
        waiting => format!("{waiting} jobs wait"),
    }
}

/// `3 jobs waited`
fn waited(counts: &BatchCounts) -> String {
    match counts.pending + counts.backing_off {
        1 => "1 job waited".to_owned(),
        waiting => format!("{waiting} jobs waited"),
    }
}

fn is_cancelled(job: &CancelledJob) -> bool {
    matches!(job.outcome, Outcome::Cancelled {} | Outcome::Stopping {})
}

fn cancelled(job: &CancelledJob) -> String {
    match &job.outcome {
        Outcome::Cancelled {} => "cancelled".to_owned(),
        Outcome::Stopping {} => "told to end; it ends cancelled unless it is through before".to_owned(),
        Outcome::Ended { status } => format!("had ended {status} before; its record stays"),
        Outcome::Kept { text } => format!("not cancelled: {}", one_line(text)),
    }
}

fn paused(
    argument: &str,
    action: Action,
    before: Option<&Paused>,
    now: Option<&Paused>,
    counts: &BatchCounts,
) -> String {
    match (action, before, now) {
        (Action::Unpause, None, None) => "was not paused".to_owned(),
        (Action::Unpause, _, None) => format!("goes on; {}", waited(counts)),
        (Action::Unpause, _, Some(why)) => format!("goes on by itself once there is room: {}", one_line(&why.message)),
        (_, None | Some(Paused { by: PausedBy::Storage, .. }), _) => {
            let running = match counts.running {
                1 => "1 running job".to_owned(),
                running => format!("{running} running jobs"),
            };
            let mend = format!("`batchmill unpause {argument}` lets it go on");
            format!("paused: nothing starts, {running} may finish, {}; {mend}", waiting(counts))
        }
        (_, Some(Paused { rule: Some(rule), message, .. }), _) => {
            format!("was paused already by `{rule}`: {}", one_line(message))
        }
        (_, Some(_), _) => "was paused already".to_owned(),
    }
}

fn draining(argument: &str, counts: &BatchCounts, limit_seconds: f64, before: bool) -> String {
    if before {
        return "drains already".to_owned();
    }
    let limit = format_duration(Duration::try_from_secs_f64(limit_seconds).unwrap_or_default());
    let running = match counts.running {
        0 => "nothing runs".to_owned(),
        1 => format!("1 running job may finish within {limit}"),
        running => format!("{running} running jobs may finish within {limit}"),
    };
    format!("drains: nothing starts any more, {running}; `batchmill resume {argument}` goes on")
}

#[cfg(test)]
mod tests {
    use batchmill_core::{JobId, Status};

    use super::*;
    use crate::control::Why;

    fn batch() -> BatchId {
        BatchId::new("inspect-7f3a").unwrap()
    }

    fn counts() -> BatchCounts {
        let mut counts = BatchCounts::default();
        (counts.submitted, counts.running, counts.pending, counts.backing_off) = (10, 2, 7, 1);
        counts
    }

    fn text(action: Action, answer: Answer) -> String {
        tell(&batch(), "inspect-7f3a", action, answer).unwrap().text
    }

    fn paused_by(by: PausedBy) -> Paused {
        let rule = (by == PausedBy::Rule).then(|| "pause,fail=2".to_owned());
        Paused { by, rule, message: "2 of 10 jobs failed".into() }
    }

    #[test]
    fn a_pause_says_what_still_happens_and_the_way_on() {
        let answer = |before| Answer::Paused { before, now: Some(paused_by(PausedBy::Person)), counts: counts() };
        assert_eq!(
            text(Action::Pause, answer(None)),
            "inspect-7f3a: paused: nothing starts, 2 running jobs may finish, 8 jobs wait; \
             `batchmill unpause inspect-7f3a` lets it go on\n"
        );
        let by_rule = text(Action::Pause, answer(Some(paused_by(PausedBy::Rule))));
        assert_eq!(by_rule, "inspect-7f3a: was paused already by `pause,fail=2`: 2 of 10 jobs failed\n");
        let by_person = text(Action::Pause, answer(Some(paused_by(PausedBy::Person))));
        assert_eq!(by_person, "inspect-7f3a: was paused already\n");
    }

    #[test]
    fn an_unpause_lifts_what_a_person_can_lift() {
        let answer = |before, now| Answer::Paused { before, now, counts: counts() };
        assert_eq!(text(Action::Unpause, answer(None, None)), "inspect-7f3a: was not paused\n");
        let lifted = text(Action::Unpause, answer(Some(paused_by(PausedBy::Rule)), None));
        assert_eq!(lifted, "inspect-7f3a: goes on; 8 jobs waited\n");
        let full = Some(Paused { by: PausedBy::Storage, rule: None, message: "batch.db: full".into() });
        let still = text(Action::Unpause, answer(full.clone(), full));
        assert_eq!(still, "inspect-7f3a: goes on by itself once there is room: batch.db: full\n");
    }

    #[test]
    fn a_job_that_had_ended_keeps_its_record_and_the_exit_code_says_so() {
        let job = |id: &str, outcome| CancelledJob { job: JobId::new(id).unwrap(), outcome };
        let answer = |jobs| tell(&batch(), "inspect-7f3a", Action::Cancel, Answer::CancelledJobs { jobs }).unwrap();
        let told = answer(vec![job("a", Outcome::Cancelled {}), job("b", Outcome::Stopping {})]);
        assert_eq!(told.exit, Exit::Success);
        assert_eq!(told.text, "a: cancelled\nb: told to end; it ends cancelled unless it is through before\n");
        let told = answer(vec![
            job("a", Outcome::Cancelled {}),
            job("c", Outcome::Ended { status: Status::Succeeded }),
            job("d", Outcome::Kept { text: "pending: its results can not be stored".into() }),
        ]);
        assert_eq!(told.exit, Exit::BadData);
        assert_eq!(
            told.text,
            "a: cancelled\nc: had ended succeeded before; its record stays\n\
             d: not cancelled: pending: its results can not be stored\n"
        );
        assert_eq!(told.value["jobs"][1], json!({"job": "c", "outcome": "ended", "status": "succeeded"}));
    }

    #[test]
    fn a_cancel_and_a_drain_say_how_many_are_touched() {
        let cancelling = text(Action::Cancel, Answer::Cancelling { counts: counts() });
        assert_eq!(cancelling, "inspect-7f3a: cancelling: 2 running jobs are told to end, 8 jobs wait\n");
        let draining = |before| Answer::Draining { counts: counts(), limit_seconds: 20.0, before };
        assert_eq!(
            text(Action::Drain, draining(false)),
            "inspect-7f3a: drains: nothing starts any more, 2 running jobs may finish within 20.0s; \
             `batchmill resume inspect-7f3a` goes on\n"
        );
        assert_eq!(text(Action::Drain, draining(true)), "inspect-7f3a: drains already\n");
    }

    #[test]
    fn a_limit_that_is_set_says_what_it_was() {
        let set = |before: Option<&str>| Answer::LimitSet {
            key: "tenant.concurrency".into(),
            before: before.map(str::to_owned),
            now: "8".into(),
        };
        assert_eq!(text(Action::SetLimit, set(Some("4"))), "inspect-7f3a: tenant.concurrency is 8, was 4\n");
        assert_eq!(text(Action::SetLimit, set(Some("8"))), "inspect-7f3a: tenant.concurrency is 8, as before\n");
        assert_eq!(text(Action::SetLimit, set(None)), "inspect-7f3a: tenant.concurrency is 8\n");
    }

    #[test]
    fn a_refusal_is_bad_data_with_the_hosts_words() {
        let refused = Answer::Refused { why: Why::Ended, message: "batch inspect-7f3a has ended".into() };
        let refusal = tell(&batch(), "inspect-7f3a", Action::Pause, refused).unwrap_err();
        assert_eq!(refusal, Refusal::data("batch inspect-7f3a has ended"));
    }
}
