//! Why a job stands where it stands, as a type.

use std::{fmt, num::NonZeroU32};

use batchmill_core::{Closing, Pause, Rate, Status, about_size};
use serde::Serialize;

use crate::{
    BatchKey, JournalFailure, Rung, StopCause,
    batch::of_token,
    resources::{Gate, Unfit},
};

/// Why a job stands where it stands, with what stands in its way. What is true of one job alone is in
/// [`Explanation`](super::Explanation), so that jobs with the same reason can be counted together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// Not all jobs of its batch are accepted: nothing of it starts yet.
    Accepting,
    /// Its `after` is to come.
    NotBefore,
    /// An attempt failed, and its retry is not due.
    Backoff,
    /// Its retry is due, and its batch has no token for it.
    RetryBudget {
        /// The most tokens there can be.
        burst: NonZeroU32,
    },
    /// Its batch is paused.
    Paused {
        /// By this rule; by a person where there is none.
        rule: Option<String>,
    },
    /// The store of its batch is full; it goes on by itself when there is room.
    StorageFull {
        /// What is full.
        message: String,
    },
    /// It was lost with its host so often that once more is the limit. Such jobs run one at a time, and one runs.
    Suspect {
        /// Where the other one runs.
        other: u32,
    },
    /// Its batch is a trial, and others were first.
    Trial {
        /// Jobs that a trial starts.
        limit: u64,
    },
    /// As many attempts run as may.
    Slots {
        /// How many that are.
        limit: u32,
        /// Why not more, in a word, unless somebody asked for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// As many results wait to be taken as may: a sink or a reader is slow.
    Unanswered {
        /// How many that are.
        limit: u64,
    },
    /// As many attempts run with its key as the limit lets.
    LimitConcurrency {
        /// Which limit, and its key.
        #[serde(flatten)]
        of: LimitKeyOf,
        /// How many that are.
        concurrency: u32,
        /// The jobs whose attempts those are, the first of them.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        holders: Vec<Holder>,
    },
    /// Its key has no token of its rate left for the next start.
    LimitRate {
        /// Which limit, and its key.
        #[serde(flatten)]
        of: LimitKeyOf,
        /// The rate.
        rate: Rate,
    },
    /// Attempts with its key failed one after the other: none starts for a while.
    BreakerOpen {
        /// Which limit, and its key.
        #[serde(flatten)]
        of: LimitKeyOf,
        /// How many in a row open it.
        failures: u32,
    },
    /// Attempts with its key failed one after the other, and some are tried.
    BreakerProbing {
        /// Which limit, and its key.
        #[serde(flatten)]
        of: LimitKeyOf,
        /// How many are tried.
        probes: u32,
        /// The jobs that are tried, the first of them.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        holders: Vec<Holder>,
    },
    /// An attempt with its key was asked to wait (`Retry-After`).
    LimitPaused {
        /// Which limit, and its key.
        #[serde(flatten)]
        of: LimitKeyOf,
    },
    /// The results that wait to be recorded are too large together: the store is slow.
    Crowded,
    /// As many jobs are set aside as may, of paused batches or for limits that the scheduler can not hold them for; those behind them are out of reach.
    Parking {
        /// How many that are.
        limit: usize,
    },
    /// Memory fills up: no more attempts run than its rung allows.
    MemoryPressure {
        /// How full it is.
        rung: Rung,
        /// Bytes in use.
        used: u64,
        /// Bytes that may be.
        limit: u64,
    },
    /// The CPUs have enough to do.
    Load {
        /// Tasks that run or wait for a CPU, in percent of those available.
        percent: u32,
        /// From which on attempts become fewer.
        max: u32,
    },
    /// Memory goes out to swap and comes back.
    Swapping {
        /// Bytes a second.
        rate: u64,
        /// From which on attempts become fewer.
        max: u64,
    },
    /// Tasks wait for memory.
    MemoryStall {
        /// For this share of the time, in percent.
        percent: u32,
        /// From which on attempts become fewer.
        max: u32,
    },
    /// It needs more memory than is left beside what runs.
    MemoryNeeded {
        /// Bytes that it is taken to need.
        needs: u64,
        /// Bytes that are left.
        left: u64,
        /// Bytes that there are.
        limit: u64,
    },
    /// It needs more CPUs than are left beside what runs.
    CpuNeeded {
        /// Thousandths of a CPU that it needs.
        needs: u32,
        /// Thousandths that are left.
        left: u32,
        /// Thousandths that there are.
        limit: u32,
    },
    /// What it needs is kept for a larger job, which has waited too long.
    Reserved {
        /// The place of that job in its batch, from 0.
        job: u32,
    },
    /// How much memory its flow needs is not known before an attempt has ended: until then one more starts a look.
    MemoryUnknown,
    /// A slot is free, and the scheduler does not start it.
    Scheduler,
    /// The host ends: nothing starts any more.
    Draining,
    /// A rule stopped its batch: its end is due as soon as there is room for its record.
    Halted {
        /// The rule.
        rule: String,
    },
    /// A person cancelled its batch: its end is due as soon as there is room for its record.
    Cancelled,
    /// The deadline of its batch has passed: its end is due as soon as there is room for its record.
    BatchDeadline,
    /// Its own end is decided, and due as soon as there is room for its record.
    EndDecided {
        /// How it ends.
        status: Status,
    },
    /// Results of its batch can not be stored: it runs again in another life of the batch.
    StorageFailed {
        /// Why, with the place.
        message: String,
    },
    /// Another host owns its batch, and runs it.
    Fenced,
    /// An attempt runs.
    Running,
    /// An attempt runs and was told to end.
    Stopping {
        /// Why.
        cause: StopCause,
    },
    /// It has ended; its record is on the way.
    Recording {
        /// How it ended.
        status: Status,
    },
    /// It has ended, and its record is where it belongs.
    Ended {
        /// How it ended.
        status: Status,
    },
}

/// A key of a limit, or several of one limit where jobs are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LimitKeyOf {
    /// The name of the limit.
    pub limit: String,
    /// The key; absent where the limit has one for all jobs, and where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How many keys.
    pub keys: u64,
}

/// A job whose attempt stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Holder {
    /// Its batch.
    #[serde(skip)]
    pub batch: BatchKey,
    /// Its place in the batch, in submission order from 0.
    pub sequence: u32,
    /// Where its attempt runs.
    pub slot: u32,
}

/// `` limit `tenant`, key `acme` ``
impl fmt::Display for LimitKeyOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "limit `{}`", self.limit)?;
        match (&self.key, self.keys) {
            (Some(key), _) => write!(f, ", key `{key}`"),
            (None, 2..) => write!(f, ", {} keys", self.keys),
            (None, _) => Ok(()),
        }
    }
}

impl Reason {
    /// The limit and the key that stand in the way, where one does.
    pub fn limit(&self) -> Option<&LimitKeyOf> {
        match self {
            Self::LimitConcurrency { of, .. }
            | Self::LimitRate { of, .. }
            | Self::BreakerOpen { of, .. }
            | Self::BreakerProbing { of, .. }
            | Self::LimitPaused { of } => Some(of),
            _ => None,
        }
    }

    /// The jobs whose attempts stand in the way, where they are known: the first of them.
    pub fn holders(&self) -> &[Holder] {
        match self {
            Self::LimitConcurrency { holders, .. } | Self::BreakerProbing { holders, .. } => holders,
            _ => &[],
        }
    }

    /// The name of the reason, as in its serialised form.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Accepting => "accepting",
            Self::NotBefore => "not_before",
            Self::Backoff => "backoff",
            Self::RetryBudget { .. } => "retry_budget",
            Self::Paused { .. } => "paused",
            Self::StorageFull { .. } => "storage_full",
            Self::Suspect { .. } => "suspect",
            Self::Trial { .. } => "trial",
            Self::Slots { .. } => "slots",
            Self::Unanswered { .. } => "unanswered",
            Self::Crowded => "crowded",
            Self::LimitConcurrency { .. } => "limit_concurrency",
            Self::LimitRate { .. } => "limit_rate",
            Self::BreakerOpen { .. } => "breaker_open",
            Self::BreakerProbing { .. } => "breaker_probing",
            Self::LimitPaused { .. } => "limit_paused",
            Self::Parking { .. } => "parking",
            Self::MemoryPressure { .. } => "memory_pressure",
            Self::Load { .. } => "load",
            Self::Swapping { .. } => "swapping",
            Self::MemoryStall { .. } => "memory_stall",
            Self::MemoryNeeded { .. } => "memory_needed",
            Self::CpuNeeded { .. } => "cpu_needed",
            Self::Reserved { .. } => "reserved",
            Self::MemoryUnknown => "memory_unknown",
            Self::Scheduler => "scheduler",
            Self::Draining => "draining",
            Self::Halted { .. } => "halted",
            Self::Cancelled => "cancelled",
            Self::BatchDeadline => "batch_deadline",
            Self::EndDecided { .. } => "end_decided",
            Self::StorageFailed { .. } => "storage_failed",
            Self::Fenced => "fenced",
            Self::Running => "running",
            Self::Stopping { .. } => "stopping",
            Self::Recording { .. } => "recording",
            Self::Ended { .. } => "ended",
        }
    }
}

impl From<Gate> for Reason {
    fn from(gate: Gate) -> Self {
        match gate {
            Gate::Memory { rung, used } => Self::MemoryPressure { rung, used: used.used, limit: used.limit },
            Gate::Load { load, max } => Self::Load { percent: whole(load * 100.0), max: whole(max * 100.0) },
            Gate::Swap { rate, max } => Self::Swapping { rate: whole(rate).into(), max: whole(max).into() },
            Gate::Stall { percent, max } => Self::MemoryStall { percent: whole(percent), max: whole(max) },
        }
    }
}

impl From<Unfit> for Reason {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Memory { needs, left, limit } => Self::MemoryNeeded { needs, left, limit },
            Unfit::Cpu { needs, left, limit } => Self::CpuNeeded { needs, left, limit },
            Unfit::Reserved { job } => Self::Reserved { job: of_token(job).1 },
            Unfit::Unknown => Self::MemoryUnknown,
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates; never negative")]
fn whole(number: f64) -> u32 {
    number as u32
}

/// `1.5`, `2`
fn cpus(milli: u32) -> String {
    (f64::from(milli) / 1000.0).to_string()
}

impl From<&Closing> for Reason {
    fn from(closing: &Closing) -> Self {
        match closing {
            Closing::Halted(reason) => Self::Halted { rule: reason.rule.clone() },
            Closing::Cancelled => Self::Cancelled,
            Closing::DeadlinePassed => Self::BatchDeadline,
        }
    }
}

impl From<&JournalFailure> for Reason {
    fn from(failure: &JournalFailure) -> Self {
        match failure {
            JournalFailure::Fenced => Self::Fenced,
            JournalFailure::Broken(message) => Self::StorageFailed { message: message.clone() },
        }
    }
}

impl From<&Pause> for Reason {
    fn from(pause: &Pause) -> Self {
        match pause {
            Pause::Rule(reason) => Self::Paused { rule: Some(reason.rule.clone()) },
            Pause::StorageFull(message) => Self::StorageFull { message: message.clone() },
            // What a later version may add is no rule.
            _ => Self::Paused { rule: None },
        }
    }
}

/// A clause without a full stop.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepting => f.write_str("not all jobs of the batch are accepted yet"),
            Self::NotBefore => f.write_str("`after` is to come"),
            Self::Backoff => f.write_str("the retry is not due yet"),
            Self::RetryBudget { .. } => f.write_str("the retry budget of the batch is empty"),
            Self::Paused { rule: Some(rule) } => write!(f, "the batch is paused by `{rule}`"),
            Self::Paused { rule: None } => f.write_str("the batch is paused by a person"),
            Self::StorageFull { message } => write!(f, "the store is full: {message}"),
            Self::Suspect { other } => write!(
                f,
                "it may be what took its hosts down: such jobs run one at a time, and another one runs in slot {other}"
            ),
            Self::Trial { limit } => write!(f, "the trial starts no more than {limit}"),
            Self::Slots { limit, why } => {
                match limit {
                    1 => f.write_str("the only slot is taken")?,
                    limit => write!(f, "all {limit} slots are taken")?,
                }
                match why {
                    Some(why) => write!(f, " (the limit: {why})"),
                    None => Ok(()),
                }
            }
            Self::Unanswered { limit } => {
                write!(f, "the sink is slow: the limit of {limit} results on their way is reached")
            }
            Self::Crowded => f.write_str("the store is slow: the results on their way to it are too large together"),
            Self::LimitConcurrency { of, concurrency: 1, .. } => write!(f, "{of}: one attempt runs, as many as may"),
            Self::LimitConcurrency { of, concurrency, .. } => {
                write!(f, "{of}: {concurrency} attempts run, as many as may")
            }
            Self::LimitRate { of, rate } => write!(f, "{of}: the rate of {rate} is used up"),
            Self::BreakerOpen { of, failures: 1 } => write!(f, "{of}: the breaker is open after a failure"),
            Self::BreakerOpen { of, failures } => {
                write!(f, "{of}: the breaker is open after {failures} failures in a row")
            }
            Self::BreakerProbing { of, probes: 1, .. } => write!(f, "{of}: the breaker tries one attempt first"),
            Self::BreakerProbing { of, probes, .. } => write!(f, "{of}: the breaker tries {probes} attempts first"),
            Self::LimitPaused { of } => write!(f, "{of}: an attempt was asked to wait"),
            Self::Parking { limit } => write!(f, "the room for jobs that are set aside ({limit}) is used up"),
            Self::MemoryPressure { rung, used, limit } => {
                let (used, of) = (about_size(*used), about_size(*limit));
                write!(f, "memory is filled ({used} of {of}): {rung}")
            }
            Self::Load { percent, max } => write!(f, "the CPUs are busy: their load is {percent}%, and may be {max}%"),
            Self::Swapping { rate, max } => {
                write!(
                    f,
                    "memory is swapped back and forth: {} a second, and may be {}",
                    about_size(*rate),
                    about_size(*max)
                )
            }
            Self::MemoryStall { percent, max } => {
                write!(f, "tasks wait for memory: {percent}% of the time, and may {max}%")
            }
            Self::MemoryNeeded { needs, left, limit } => {
                let [needs, left, limit] = [needs, left, limit].map(|bytes| about_size(*bytes));
                write!(f, "it needs {needs} of memory, and {left} of {limit} are left")
            }
            Self::CpuNeeded { needs, left, limit } => {
                let [needs, left, limit] = [needs, left, limit].map(|milli| cpus(*milli));
                write!(f, "it needs {needs} CPUs, and {left} of {limit} are left")
            }
            Self::Reserved { job } => {
                let number = u64::from(*job) + 1;
                write!(
                    f,
                    "what it needs is kept for job number {number} of its batch, which needs more and has waited long"
                )
            }
            Self::MemoryUnknown => {
                f.write_str("how much memory its flow needs is not known yet: one more attempt starts a look")
            }
            Self::Scheduler => f.write_str("the scheduler holds it back"),
            Self::Draining => f.write_str("the host drains: nothing starts any more"),
            Self::Halted { rule } => write!(f, "the batch was stopped by `{rule}`"),
            Self::Cancelled => f.write_str("the batch was cancelled"),
            Self::BatchDeadline => f.write_str("the deadline of the batch has passed"),
            Self::EndDecided { status } => write!(f, "the end is decided ({status}) and waits for room for its record"),
            Self::StorageFailed { message } => write!(f, "results can not be stored: {message}"),
            Self::Fenced => f.write_str("another host owns the batch"),
            Self::Running => f.write_str("an attempt runs"),
            Self::Stopping { cause } => write!(f, "the attempt was told to end: {cause}"),
            Self::Recording { status } => write!(f, "{status}, and the record is on the way"),
            Self::Ended { status } => write!(f, "{status}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn every() -> Vec<Reason> {
        let (rule, status) = ("soon,fail=3".to_owned(), Status::Cancelled);
        let of = LimitKeyOf { limit: "tenant".to_owned(), key: Some("acme".to_owned()), keys: 1 };
        let holder = Holder { batch: BatchKey(0), sequence: 17, slot: 3 };
        vec![
            Reason::Accepting,
            Reason::NotBefore,
            Reason::Backoff,
            Reason::RetryBudget { burst: NonZeroU32::MIN },
            Reason::Paused { rule: Some(rule.clone()) },
            Reason::StorageFull { message: "no space left".to_owned() },
            Reason::Suspect { other: 2 },
            Reason::Trial { limit: 2 },
            Reason::Slots { limit: 2, why: None },
            Reason::Slots { limit: 1, why: Some("latency".to_owned()) },
            Reason::Unanswered { limit: 2 },
            Reason::Crowded,
            Reason::LimitConcurrency { of: of.clone(), concurrency: 2, holders: vec![holder] },
            Reason::LimitRate { of: of.clone(), rate: "9/m".parse().unwrap() },
            Reason::BreakerOpen { of: of.clone(), failures: 3 },
            Reason::BreakerProbing { of: of.clone(), probes: 1, holders: Vec::new() },
            Reason::LimitPaused { of },
            Reason::Parking { limit: 2 },
            Reason::MemoryPressure { rung: Rung::Stop, used: 95, limit: 100 },
            Reason::Load { percent: 200, max: 150 },
            Reason::Swapping { rate: 1 << 20, max: 1 << 19 },
            Reason::MemoryStall { percent: 30, max: 20 },
            Reason::MemoryNeeded { needs: 300, left: 100, limit: 1000 },
            Reason::CpuNeeded { needs: 2000, left: 500, limit: 4000 },
            Reason::Reserved { job: 3 },
            Reason::MemoryUnknown,
            Reason::Scheduler,
            Reason::Draining,
            Reason::Halted { rule },
            Reason::Cancelled,
            Reason::BatchDeadline,
            Reason::EndDecided { status },
            Reason::StorageFailed { message: "gone".to_owned() },
            Reason::Fenced,
            Reason::Running,
            Reason::Stopping { cause: StopCause::Halt },
            Reason::Recording { status },
            Reason::Ended { status },
        ]
    }

    #[test]
    fn the_name_of_a_reason_is_that_of_its_data_and_its_text_a_clause() {
        for reason in every() {
            let data = serde_json::to_value(&reason).unwrap();
            assert_eq!(data["reason"], reason.name());
            let text = reason.to_string();
            assert!(!text.is_empty() && !text.ends_with('.') && !text.contains('\n'), "{text}");
        }
    }

    /// The table of names can not leave a variant out, so it is what the others are held against.
    #[test]
    fn every_reason_is_walked_and_stands_in_the_docs() {
        let table =
            include_str!("reason.rs").split_once("fn name(&self)").unwrap().1.split_once("\n    }\n").unwrap().0;
        let names = table.lines().filter_map(|line| line.split_once("=> \"")?.1.split('"').next());
        let names: BTreeSet<&str> = names.collect();
        let all = every();
        assert_eq!(
            all.iter().map(Reason::name).collect::<BTreeSet<_>>(),
            names,
            "all that `every` makes, and all there are"
        );
        let page = include_str!("../../../../docs/state-machine.md");
        for name in names {
            assert!(page.contains(&format!("`{name}`")), "docs/state-machine.md says nothing of `{name}`");
        }
    }
}
