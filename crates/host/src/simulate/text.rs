//! The report for people: the configs side by side, then each with its tenants.

use std::{fmt::Write, time::Duration};

use batchmill_core::format_duration;
use batchmill_simulate::{Played, ShareRow};

use super::{
    Report, Run,
    columns::{bars, columns},
    json::{Columns, ends, paused_by},
};
use crate::summary::verdict_and_reason;

/// Tenants that a table shows.
const ROWS_MAX: usize = 20;

/// Columns of a bar over time.
const BARS_MAX: usize = 60;

// Writing to a String cannot fail; `let _` below says so.

pub(super) fn text(report: &Report) -> String {
    let Report { flow, jobs, durations, failures, seed, begin, runs } = report;
    let failures = failures.as_ref().map_or("no failures".to_owned(), |failures| format!("failures {failures}"));
    let tenants: u64 = runs.first().map_or(0, |run| run.played.shares.iter().map(|row| row.tenants).sum());
    let mut text = format!(
        "{flow}: {} of {}, durations {durations}, {failures}, seed {seed}",
        counted(*jobs, "job"),
        counted(tenants, "tenant")
    );
    if let Some(begin) = begin {
        let _ = write!(text, ", accepted {begin}");
    }
    text.push_str("\n\n");
    text.push_str(&columns(&side_by_side(runs)));
    for run in runs {
        let _ = write!(text, "\n{} ({})\n{}", run.config, run.scheduler, tenants_of(&run.played));
        text.push_str(&over_time(&run.played));
        for part in &run.not_played {
            let _ = writeln!(text, "not played: {part}");
        }
    }
    text
}

fn side_by_side(runs: &[Run]) -> Vec<Vec<String>> {
    let line = |name: &str, cell: &dyn Fn(&Run) -> String| {
        std::iter::once(name.to_owned()).chain(runs.iter().map(cell)).collect::<Vec<_>>()
    };
    let wait = |name: &str, of: fn(&batchmill_simulate::Wait) -> Duration| {
        line(name, &move |run| format_duration(of(&run.played.wait)))
    };
    let mut lines = vec![
        line("", &|run| run.config.clone()),
        line("scheduler", &|run| run.scheduler.clone()),
        line("slots", &|run| run.played.slots.to_string()),
        line("ended", &|run| ended(&run.played)),
    ];
    for status in ["succeeded", "failed", "timed_out", "skipped", "left"] {
        let of = |run: &Run| ends(&run.played).into_iter().find(|(name, _)| *name == status).map(|(_, jobs)| jobs);
        if runs.iter().any(|run| of(run).is_some()) {
            lines.push(line(status, &|run| of(run).unwrap_or(0).to_string()));
        }
    }
    lines.extend([
        line("attempts", &|run| run.played.attempts.to_string()),
        line("retries", &|run| run.played.retries.to_string()),
        line("makespan", &|run| format_duration(run.played.makespan)),
        line("machine used", &|run| percent(run.played.utilisation())),
        line("fairness", &|run| run.played.fairness.map_or("-".to_owned(), |fairness| format!("{fairness:.4}"))),
        wait("wait p50", |wait| wait.p50),
        wait("wait p90", |wait| wait.p90),
        wait("wait p99", |wait| wait.p99),
        wait("wait max", |wait| wait.max),
    ]);
    lines
}

fn ended(played: &Played) -> String {
    match (&played.verdict, paused_by(played)) {
        (Some(verdict), _) => verdict_and_reason(verdict).0.to_owned(),
        (None, Some(rule)) => format!("paused by {rule}"),
        (None, None) => "never".to_owned(),
    }
}

/// The rows that are shown: those with most jobs, in their order.
fn shown(played: &Played) -> Vec<(usize, &ShareRow)> {
    let mut rows: Vec<(usize, &ShareRow)> = played.shares.iter().enumerate().collect();
    rows.sort_by_key(|(place, row)| (std::cmp::Reverse(row.jobs), *place));
    rows.truncate(ROWS_MAX);
    rows.sort_by_key(|(place, _)| *place);
    rows
}

fn name(row: &ShareRow) -> String {
    if row.name.is_empty() { format!("{} others", row.tenants) } else { row.name.clone() }
}

fn tenants_of(played: &Played) -> String {
    let header = ["TENANT", "JOBS", "TIME", "PART", "DUE", "GOT", "P50", "P90", "P99", "MAX", "LAST END"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let rows_shown = shown(played);
    rows.extend(rows_shown.iter().map(|(_, row)| {
        let part = row.used.as_secs_f64() / played.used.as_secs_f64();
        vec![
            name(row),
            row.jobs.to_string(),
            format_duration(row.used),
            percent(if part.is_finite() { part } else { 0.0 }),
            percent(row.entitled),
            row.received.map_or("-".to_owned(), |received| format!("{received:.3}")),
            format_duration(row.wait.p50),
            format_duration(row.wait.p90),
            format_duration(row.wait.p99),
            format_duration(row.wait.max),
            format_duration(row.finished),
        ]
    }));
    let mut text = columns(&rows);
    let hidden = played.shares.len() - rows_shown.len();
    if hidden > 0 {
        let _ = writeln!(text, "and {hidden} more with fewer jobs");
    }
    text
}

/// The part of all slots that each tenant had, over time.
fn over_time(played: &Played) -> String {
    let columns_of = Columns::of(&played.windows, BARS_MAX);
    if columns_of.count() == 0 || played.used.is_zero() {
        return String::new();
    }
    let offered = columns_of.step().as_secs_f64() * f64::from(played.slots);
    let step = format_duration(columns_of.step());
    let mut text = format!("part of the machine over time, {step} a column\n");
    let rows = shown(played).into_iter().map(|(place, row)| {
        let parts = columns_of.used(place).into_iter().map(|used| used.as_secs_f64() / offered);
        vec![name(row), format!("|{}|", bars(parts))]
    });
    text.push_str(&columns(&rows.collect::<Vec<_>>()));
    text
}

fn percent(part: f64) -> String {
    format!("{:.1}%", part * 100.0)
}

fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
