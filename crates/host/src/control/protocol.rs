//! What is asked and answered: one JSON object a line each. Fields are added, never renamed or removed.

use std::time::Duration;

use batchmill_core::{BatchCounts, JobId, Pause, Status, Verdict};
use batchmill_executor::{Holder, LimitStanding};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::progress::{Rate, Snapshot, StuckSink};

/// The longest line. Requests that name many jobs are split by the client, see [`JOBS_MAX`].
pub(super) const LINE_MAX: usize = 1024 * 1024;

/// So many jobs of 256 bytes each, every byte escaped, fit in a line.
pub(super) const JOBS_MAX: usize = 1_000;

/// What a client wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Request {
    /// How the batch stands.
    Status {},
    /// How many jobs wait for what. Looks at every job.
    Census {},
    /// Why one job stands where it stands.
    Explain { job: JobId },
    /// End jobs `cancelled`: these, or all.
    Cancel {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        jobs: Option<Vec<JobId>>,
    },
    /// Start nothing more until [`Request::Unpause`].
    Pause {},
    /// Go on, whoever or whatever rule paused it.
    Unpause {},
    /// Start nothing more, let running jobs finish, and end: as the first interrupt does.
    Drain {},
    /// Change a limit or the weight of a share: `concurrency`, `NAME.concurrency`, `NAME.rate`, `weights.SHARE`.
    SetLimit { key: String, value: String },
}

/// What the host says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub(crate) enum Answer {
    Status(Box<Live>),
    Census {
        shares: Vec<Reasoned>,
    },
    Explained(Reasoned),
    /// The whole batch is being cancelled: how it stood.
    Cancelling {
        counts: BatchCounts,
    },
    /// What became of each job that was to be cancelled, in the order of the request.
    CancelledJobs {
        jobs: Vec<CancelledJob>,
    },
    /// The batch pauses, or goes on: why it did not start anything before, why it does not now, and how it stands.
    Paused {
        before: Option<Paused>,
        now: Option<Paused>,
        counts: BatchCounts,
    },
    /// The host drains: how it stood, for how long running jobs may go on, whether it did so already.
    Draining {
        counts: BatchCounts,
        limit_seconds: f64,
        before: bool,
    },
    /// A limit is changed: what it was, where that is known, and what it is.
    LimitSet {
        key: String,
        before: Option<String>,
        now: String,
    },
    /// Nothing was done.
    Refused {
        why: Why,
        message: String,
    },
}

/// Why nothing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Why {
    /// The request is not one of the above.
    BadRequest,
    /// The batch has no such job.
    UnknownJob,
    /// There is no such limit or share, or not with this value.
    BadLimit,
    /// The batch has ended.
    Ended,
}

/// How a running batch stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Live {
    pub(crate) pid: u32,
    #[serde(flatten)]
    pub(crate) counts: BatchCounts,
    /// Attempts that were repeated.
    pub(crate) retries: u64,
    /// Since this host has it.
    pub(crate) elapsed_seconds: f64,
    /// Jobs that ended a second, over the last half minute.
    pub(crate) rate: f64,
    /// Until all jobs have ended, where that can be told.
    pub(crate) eta_seconds: Option<f64>,
    /// Attempts that may run at once.
    pub(crate) concurrency: u32,
    /// Why, in a word, unless somebody asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) concurrency_reason: Option<String>,
    /// Limits of jobs with one key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) limits: Vec<LiveLimit>,
    /// Jobs that had ended when this host began with it.
    pub(crate) before: u64,
    /// How many jobs a trial starts.
    pub(crate) limit: Option<u64>,
    /// The sink that takes no results at the moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stuck_sink: Option<StuckSink>,
    /// Whether the host ends.
    pub(crate) draining: bool,
    /// Why it starts nothing, while it is paused.
    pub(crate) paused: Option<Paused>,
    /// What became of it, in the moment between its end and that of its host.
    pub(crate) verdict: Option<Verdict>,
}

impl Live {
    pub(super) fn new(snapshot: &Snapshot, rate: Rate) -> Self {
        Self {
            pid: std::process::id(),
            counts: snapshot.counts,
            retries: snapshot.retries,
            elapsed_seconds: rounded(snapshot.elapsed, 1000.0),
            rate: (rate.per_second * 1000.0).round() / 1000.0,
            eta_seconds: rate.left.map(|left| rounded(left, 10.0)),
            concurrency: 0,
            concurrency_reason: None,
            limits: Vec::new(),
            before: snapshot.before,
            limit: snapshot.limit.map(std::num::NonZero::get),
            stuck_sink: snapshot.stuck_sink.clone(),
            draining: false,
            paused: snapshot.paused.as_ref().map(Paused::from),
            verdict: None,
        }
    }
}

/// How a limit of jobs with one key stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LiveLimit {
    pub(crate) name: String,
    /// Whether jobs have keys; else all have one.
    pub(crate) has_key: bool,
    pub(crate) concurrency: Option<u32>,
    pub(crate) rate: Option<String>,
    pub(crate) breaker: bool,
    /// Keys that were seen.
    pub(crate) keys: u64,
    /// Attempts that run under it.
    pub(crate) running: u64,
    /// Keys that let nothing start at this moment.
    pub(crate) shut: u64,
    /// Keys whose breaker is not closed.
    pub(crate) open: u64,
    /// Keys that pause because an attempt was asked to wait.
    pub(crate) paused: u64,
}

impl From<&LimitStanding> for LiveLimit {
    fn from(limit: &LimitStanding) -> Self {
        let settings = &limit.settings;
        Self {
            name: settings.name.clone(),
            has_key: settings.has_key,
            concurrency: settings.concurrency.map(std::num::NonZero::get),
            rate: settings.rate.map(|rate| rate.rate.to_string()),
            breaker: settings.breaker.is_some(),
            keys: limit.keys,
            running: limit.running,
            shut: limit.shut,
            open: limit.open,
            paused: limit.paused,
        }
    }
}

/// Why a batch is paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Paused {
    pub(crate) by: PausedBy,
    /// The rule, where one did.
    pub(crate) rule: Option<String>,
    /// What it saw, or what is full.
    pub(crate) message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PausedBy {
    Person,
    Rule,
    /// Its store has no room: it goes on by itself.
    Storage,
}

impl From<&Pause> for Paused {
    fn from(pause: &Pause) -> Self {
        let (by, rule, message) = match pause {
            Pause::Rule(reason) => (PausedBy::Rule, Some(reason.rule.clone()), reason.message.clone()),
            Pause::StorageFull(what) => (PausedBy::Storage, None, what.clone()),
            _ => (PausedBy::Person, None, "a person asked for it".to_owned()),
        };
        Self { by, rule, message }
    }
}

/// What dispatch says of a job, or of jobs with one reason: its sentence, and the data that it is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reasoned {
    pub(crate) text: String,
    #[serde(flatten)]
    pub(crate) data: Map<String, Value>,
}

impl Reasoned {
    /// The jobs that stand in the way, by their ids.
    pub(super) fn held_by(mut self, holders: &[(JobId, Holder)]) -> Self {
        if holders.is_empty() {
            return self;
        }
        let named: Vec<String> = holders.iter().map(|(id, _)| format!("`{id}`")).collect();
        self.text = format!("{}; held by {}", self.text, named.join(", "));
        let holder =
            |(id, holder): &(JobId, Holder)| json!({"job": id, "sequence": holder.sequence, "slot": holder.slot});
        self.data.insert("holders".to_owned(), holders.iter().map(holder).collect());
        self
    }

    pub(super) fn new(said: &(impl ToString + Serialize)) -> Self {
        let Ok(Value::Object(data)) = serde_json::to_value(said) else {
            unreachable!("an explanation is an object of texts and numbers")
        };
        Self { text: said.to_string(), data }
    }
}

/// What became of a job that was to be cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CancelledJob {
    pub(crate) job: JobId,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It ended `cancelled`.
    Cancelled {},
    /// Its attempt was told to end; it ends `cancelled` unless it is through before.
    Stopping {},
    /// It had another end already: the first record counts.
    Ended { status: Status },
    /// It can have no end now, and why.
    Kept { text: String },
}

pub(super) fn rounded(duration: Duration, parts: f64) -> f64 {
    (duration.as_secs_f64() * parts).round() / parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Request, String> {
        serde_json::from_str(line).map_err(|error| error.to_string())
    }

    #[test]
    fn requests_are_small_objects() {
        let job = |id| JobId::new(id).unwrap();
        let cases = [
            (r#"{"request":"status"}"#, Request::Status {}),
            (r#"{"request":"explain","job":"a"}"#, Request::Explain { job: job("a") }),
            (r#"{"request":"cancel"}"#, Request::Cancel { jobs: None }),
            (r#"{"request":"cancel","jobs":["a","b"]}"#, Request::Cancel { jobs: Some(vec![job("a"), job("b")]) }),
            (r#"{"request":"unpause"}"#, Request::Unpause {}),
            (
                r#"{"request":"set_limit","key":"tenant.rate","value":"60/m"}"#,
                Request::SetLimit { key: "tenant.rate".into(), value: "60/m".into() },
            ),
        ];
        for (line, request) in cases {
            assert_eq!(read(line).as_ref(), Ok(&request), "{line}");
            assert_eq!(serde_json::to_string(&request).unwrap(), line);
        }
    }

    #[test]
    fn a_slip_never_cancels_the_whole_batch() {
        for line in [
            r#"{"request":"cancel","job":["a"]}"#,
            r#"{"request":"cancel","jobs":"a"}"#,
            r#"{"request":"cancel","jobs":["a\n"]}"#,
            r#"{"request":"pause","jobs":["a"]}"#,
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_largest_request_of_a_client_fits_in_a_line() {
        // A backslash takes two bytes in JSON, and nothing else that an id may have takes more.
        let jobs = vec![JobId::new("\\".repeat(256)).unwrap(); JOBS_MAX];
        assert!(serde_json::to_string(&Request::Cancel { jobs: Some(jobs) }).unwrap().len() < LINE_MAX);
    }

    #[test]
    fn answers_read_back() {
        let counts = BatchCounts::default();
        let paused = Paused { by: PausedBy::Storage, rule: None, message: "full".into() };
        let reasoned = Reasoned { text: "running: x".into(), data: Map::from_iter([("slot".into(), 3.into())]) };
        let ended = CancelledJob { job: JobId::from(7), outcome: Outcome::Ended { status: Status::Failed } };
        let live = Live::new(&Snapshot::default(), Rate::default());
        for answer in [
            Answer::Status(Box::new(live)),
            Answer::Census { shares: vec![reasoned.clone()] },
            Answer::Explained(reasoned),
            Answer::Cancelling { counts },
            Answer::CancelledJobs { jobs: vec![ended] },
            Answer::Paused { before: None, now: Some(paused), counts },
            Answer::Draining { counts, limit_seconds: 20.0, before: false },
            Answer::LimitSet { key: "tenant.concurrency".into(), before: Some("4".into()), now: "8".into() },
            Answer::Refused { why: Why::UnknownJob, message: "no job".into() },
        ] {
            let line = serde_json::to_string(&answer).unwrap();
            assert_eq!(serde_json::from_str::<Answer>(&line).unwrap(), answer, "{line}");
        }
    }
}
