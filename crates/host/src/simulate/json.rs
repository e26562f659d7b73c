//! The report for programs.

use std::{collections::BTreeMap, time::Duration};

use batchmill_core::Pause;
use batchmill_simulate::{Played, ShareRow, Wait, Windows};
use serde_json::{Map, Value, json};

use super::{Report, Run};
use crate::summary::verdict_and_reason;

/// Points in time that are told at most.
const POINTS_MAX: usize = 128;

/// One object.
pub(super) fn json(report: &Report) -> Value {
    let mut object = head(report);
    object.insert("runs".to_owned(), report.runs.iter().map(run).collect());
    Value::Object(object)
}

/// One object a config.
pub(super) fn lines(report: &Report) -> String {
    let line = |one: &Run| {
        let mut object = head(report);
        object.extend(run(one).as_object().cloned().unwrap_or_default());
        format!("{}\n", Value::Object(object))
    };
    report.runs.iter().map(line).collect()
}

fn head(report: &Report) -> Map<String, Value> {
    let Report { flow, jobs, durations, failures, seed, begin, .. } = report;
    let object = json!({
        "flow": flow, "jobs": jobs, "durations": durations, "failures": failures, "seed": seed, "begin": begin,
    });
    object.as_object().cloned().unwrap_or_default()
}

fn run(run: &Run) -> Value {
    let Run { config, scheduler, played, not_played } = run;
    let ended: BTreeMap<&str, u64> = ends(played).into_iter().collect();
    json!({
        "config": config,
        "scheduler": scheduler,
        "verdict": played.verdict.as_ref().map(|verdict| verdict_and_reason(verdict).0),
        "paused": paused_by(played),
        "counts": ended,
        "slots": played.slots,
        "makespan_seconds": seconds(played.makespan),
        "machine_seconds": seconds(played.used),
        "utilisation": rounded(played.utilisation()),
        "fairness": played.fairness.map(rounded),
        "attempts": played.attempts,
        "retries": played.retries,
        "wait": wait(&played.wait),
        "tenants": played.shares.iter().map(|row| tenant(row, played)).collect::<Value>(),
        "over_time": over_time(played),
        "not_played": not_played,
    })
}

/// The rule that paused it for good: nobody is there to let it go on.
pub(super) fn paused_by(played: &Played) -> Option<&str> {
    match &played.paused {
        Some(Pause::Rule(reason)) => Some(&reason.rule),
        _ => None,
    }
}

/// How jobs ended, and how many did not.
pub(super) fn ends(played: &Played) -> Vec<(&'static str, u64)> {
    let counts = &played.counts;
    let all = [
        ("succeeded", counts.succeeded),
        ("failed", counts.failed),
        ("timed_out", counts.timed_out),
        ("skipped", counts.skipped),
        ("left", counts.submitted - counts.ended()),
    ];
    all.into_iter().filter(|(_, jobs)| *jobs > 0).collect()
}

fn tenant(row: &ShareRow, played: &Played) -> Value {
    let part = row.used.as_secs_f64() / played.used.as_secs_f64();
    json!({
        "tenant": row.name,
        "tenants": row.tenants,
        "jobs": row.jobs,
        "started": row.started,
        "machine_seconds": seconds(row.used),
        "part": if part.is_finite() { rounded(part) } else { 0.0 },
        "entitled": rounded(row.entitled),
        "received": row.received.map(rounded),
        "wait": wait(&row.wait),
        "finished_seconds": seconds(row.finished),
    })
}

fn wait(wait: &Wait) -> Value {
    json!({
        "p50_seconds": seconds(wait.p50),
        "p90_seconds": seconds(wait.p90),
        "p99_seconds": seconds(wait.p99),
        "max_seconds": seconds(wait.max),
        "mean_seconds": seconds(wait.mean),
    })
}

fn over_time(played: &Played) -> Value {
    let columns = Columns::of(&played.windows, POINTS_MAX);
    let rows = played.shares.iter().enumerate().map(|(place, row)| {
        let used: Vec<f64> = columns.used(place).into_iter().map(seconds).collect();
        json!({"tenant": row.name, "machine_seconds": used, "waiting": columns.waiting(place)})
    });
    json!({"step_seconds": seconds(columns.step()), "tenants": rows.collect::<Value>()})
}

/// Windows, several together.
pub(super) struct Columns<'a> {
    windows: &'a Windows,
    each: usize,
}

impl<'a> Columns<'a> {
    /// At most so many, of as many windows each.
    pub(super) fn of(windows: &'a Windows, max: usize) -> Self {
        Self { windows, each: windows.count.div_ceil(max).max(1) }
    }

    pub(super) fn count(&self) -> usize {
        self.windows.count.div_ceil(self.each)
    }

    /// The time that each stands for.
    pub(super) fn step(&self) -> Duration {
        self.windows.width * u32::try_from(self.each).unwrap_or(u32::MAX)
    }

    /// The time of slots that a row had in each.
    pub(super) fn used(&self, row: usize) -> Vec<Duration> {
        self.windows.used[row].chunks(self.each).map(|windows| windows.iter().sum()).collect()
    }

    /// The jobs of a row that waited when each began.
    pub(super) fn waiting(&self, row: usize) -> Vec<u64> {
        self.windows.waiting[row].iter().step_by(self.each).copied().collect()
    }
}

/// To the microsecond: below that is arithmetic.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}

fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}
