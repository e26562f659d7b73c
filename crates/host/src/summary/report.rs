//! `--report FILE`: the summary as one JSON object.

use std::{collections::BTreeMap, num::NonZeroU64};

use batchmill_core::{BatchCounts, ErrorClass, Pause, StopReason, Verdict, WallTime};
use batchmill_executor::Undelivered;
use serde::Serialize;

use super::{BadLines, Resumed, SinkSummary, Summary, unrun::NotRun};
use crate::progress::throughput;

/// The report. Fields are only added, never renamed.
#[derive(Serialize)]
struct Report<'a> {
    /// The batch's id.
    batch: &'a str,
    /// The flow's name.
    flow: &'a str,
    /// `succeeded`, `some_failed`, `halted`, `cancelled`, `deadline_passed`, `drained`, `fenced` (another host has it), `storage_failed` or
    /// `host_failed`.
    verdict: &'static str,
    /// Which rule stopped the batch, or had paused it when it was drained, and what it saw; or which storage failed.
    reason: Option<Reason<'a>>,
    /// The exit code of the program.
    exit_code: u8,
    /// Jobs by where they stand; they obey the conservation law.
    counts: BatchCounts,
    /// How many jobs a trial starts; null where all may.
    limit: Option<NonZeroU64>,
    /// Attempts that were repeated.
    retries: u64,
    /// RFC 3339.
    started_at: WallTime,
    /// RFC 3339.
    finished_at: WallTime,
    /// Of this run; of a batch that was not resumed from its acceptance to its end.
    duration_seconds: f64,
    /// Jobs that ran a second, over the whole run.
    jobs_per_second: f64,
    /// Jobs that did not run, or not to their end, by the reason why, the most first.
    not_run: Vec<NotRun>,
    /// Jobs that failed, grouped by class and node, the largest group first.
    errors: Vec<Error<'a>>,
    /// Failed jobs beyond the groups that are kept.
    errors_other: u64,
    /// The slowest jobs, the slowest first.
    slowest: Vec<Slow<'a>>,
    /// Where the results are; null for stdout.
    results: Option<&'a str>,
    /// Lines that are no job: what was done about them, how many, and where they are kept.
    bad_lines: &'a BadLines,
    /// What earlier hosts had done; null where this is the first one.
    resumed: Option<&'a Resumed>,
    /// Sinks that have not got all results, which are in the store all the same.
    undelivered: Vec<Lacking<'a>>,
    /// What sinks have to say about the batch, for example aggregates.
    sinks: &'a [SinkSummary],
    /// The plugins that config chose, by section.
    plugins: &'a BTreeMap<&'static str, Vec<String>>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Reason<'a> {
    rule: Option<&'a str>,
    message: &'a str,
    /// Whether reaching the rule is a success of the batch.
    success: bool,
}

impl<'a> Reason<'a> {
    fn by_rule(reason: &'a StopReason) -> Self {
        Self { rule: Some(&reason.rule), message: &reason.message, success: reason.success }
    }

    fn failure(message: &'a str) -> Self {
        Self { rule: None, message, success: false }
    }
}

#[derive(Serialize)]
struct Lacking<'a> {
    sink: &'a str,
    /// Results that it has not got.
    missing: u64,
    message: &'a str,
    /// Whether a resume may bring them: it was out of order for a while.
    interrupted: bool,
}

impl<'a> Lacking<'a> {
    fn of(sink: &'a Undelivered) -> Self {
        Self { sink: &sink.sink, missing: sink.missing, message: &sink.message, interrupted: sink.interrupted }
    }
}

#[derive(Serialize)]
struct Error<'a> {
    class: ErrorClass,
    /// Null where no node failed, as with the time limit of an attempt.
    node: Option<&'a str>,
    jobs: u64,
    example: Example<'a>,
}

#[derive(Serialize)]
struct Example<'a> {
    job_id: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct Slow<'a> {
    job_id: &'a str,
    duration_seconds: f64,
}

/// The report as indented JSON with a newline at its end.
pub(crate) fn json(summary: &Summary) -> String {
    let collected = &summary.collected;
    let errors = collected.groups.sorted().into_iter().map(|group| Error {
        class: group.class,
        node: group.node.as_deref(),
        jobs: group.jobs,
        example: Example { job_id: group.example.as_str(), message: &group.message },
    });
    let slowest = collected
        .slowest
        .sorted()
        .into_iter()
        .map(|(id, duration)| Slow { job_id: id.as_str(), duration_seconds: rounded(duration.as_secs_f64()) });
    let (verdict, reason) = verdict(summary);
    let report = Report {
        batch: summary.batch.as_str(),
        flow: &summary.flow,
        verdict,
        reason,
        exit_code: summary.exit.code(),
        counts: summary.counts,
        limit: summary.limit,
        retries: summary.retries,
        started_at: summary.started,
        finished_at: summary.finished,
        duration_seconds: rounded(summary.duration.as_secs_f64()),
        jobs_per_second: rounded(throughput(&summary.counts, summary.before(), summary.duration)),
        not_run: collected.unrun.with(&summary.left),
        errors: errors.collect(),
        errors_other: collected.groups.others,
        slowest: slowest.collect(),
        results: summary.results.as_deref(),
        bad_lines: &summary.bad_lines,
        resumed: summary.resumed.as_ref(),
        undelivered: summary.undelivered.iter().map(Lacking::of).collect(),
        sinks: &summary.sinks,
        plugins: &summary.kinds,
    };
    serde_json::to_string_pretty(&report).expect("numbers and texts are JSON") + "\n"
}

fn verdict(summary: &Summary) -> (&'static str, Option<Reason<'_>>) {
    match &summary.verdict {
        Verdict::Drained => ("drained", paused(summary)),
        other => verdict_and_reason(other),
    }
}

/// The verdict's name, and who or what is behind it.
pub(crate) fn verdict_and_reason(verdict: &Verdict) -> (&'static str, Option<Reason<'_>>) {
    match verdict {
        Verdict::Succeeded => ("succeeded", None),
        Verdict::SomeFailed => ("some_failed", None),
        Verdict::Halted(reason) => ("halted", Some(Reason::by_rule(reason))),
        Verdict::Cancelled => ("cancelled", None),
        Verdict::DeadlinePassed => ("deadline_passed", None),
        Verdict::Drained => ("drained", None),
        Verdict::StorageFailed(message) => ("storage_failed", Some(Reason::failure(message))),
        Verdict::HostFailed(message) => ("host_failed", Some(Reason::failure(message))),
        Verdict::Fenced => ("fenced", None),
        _ => ("unknown", None),
    }
}

fn paused(summary: &Summary) -> Option<Reason<'_>> {
    match &summary.paused {
        Some(Pause::Rule(reason)) => Some(Reason::by_rule(reason)),
        _ => None,
    }
}

fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}
