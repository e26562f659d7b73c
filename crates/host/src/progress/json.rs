//! `--progress json`: one object a line, the fields and order of the reference.

use batchmill_core::Pause;
use serde::Serialize;

use super::{Snapshot, StuckSink, pace::Rate};

#[derive(Serialize)]
struct Line<'a> {
    r#type: &'static str,
    submitted: u64,
    succeeded: u64,
    failed: u64,
    timed_out: u64,
    cancelled: u64,
    skipped: u64,
    quarantined: u64,
    pending: u64,
    running: u64,
    recording: u64,
    backing_off: u64,
    rate: f64,
    eta_seconds: Option<f64>,
    /// Only there where a governor adapts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrency: Option<u32>,
    /// Only there once it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrency_reason: Option<&'a str>,
    /// Only there while the batch is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    paused: Option<Paused<'a>>,
    /// Only there while a sink takes no results.
    #[serde(skip_serializing_if = "Option::is_none")]
    stuck_sink: Option<&'a StuckSink>,
}

#[derive(Serialize)]
struct Paused<'a> {
    /// Null if a person asked for it.
    rule: Option<&'a str>,
    message: &'a str,
}

impl<'a> From<&'a Pause> for Paused<'a> {
    fn from(pause: &'a Pause) -> Self {
        match pause {
            Pause::Rule(reason) => Self { rule: Some(&reason.rule), message: &reason.message },
            _ => Self { rule: None, message: "a person asked for it" },
        }
    }
}

/// The line without its newline.
pub(crate) fn line(snapshot: &Snapshot, rate: Rate) -> String {
    let counts = snapshot.counts;
    let line = Line {
        r#type: "progress",
        submitted: counts.submitted,
        succeeded: counts.succeeded,
        failed: counts.failed,
        timed_out: counts.timed_out,
        cancelled: counts.cancelled,
        skipped: counts.skipped,
        quarantined: counts.quarantined,
        pending: counts.pending,
        running: counts.running,
        recording: counts.recording,
        backing_off: counts.backing_off,
        rate: rounded(rate.per_second, 1000.0),
        eta_seconds: rate.left.map(|left| rounded(left.as_secs_f64(), 10.0)),
        concurrency: snapshot.at_most.as_ref().map(|limit| limit.attempts),
        concurrency_reason: snapshot.at_most.as_ref().and_then(|limit| limit.reason.as_deref()),
        paused: snapshot.paused.as_ref().map(Paused::from),
        stuck_sink: snapshot.stuck_sink.as_ref(),
    };
    serde_json::to_string(&line).expect("numbers and texts are JSON")
}

fn rounded(number: f64, parts: f64) -> f64 {
    (number * parts).round() / parts
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_line_is_that_of_the_reference() {
        let mut snapshot = Snapshot::default();
        let counts = &mut snapshot.counts;
        (counts.submitted, counts.succeeded, counts.failed, counts.pending, counts.running) = (10, 4, 1, 3, 2);
        let rate = Rate { per_second: 1.23456, left: Some(Duration::from_millis(4050)) };
        assert_eq!(
            line(&snapshot, rate),
            r#"{"type":"progress","submitted":10,"succeeded":4,"failed":1,"timed_out":0,"cancelled":0,"skipped":0,"quarantined":0,"pending":3,"running":2,"recording":0,"backing_off":0,"rate":1.235,"eta_seconds":4.1}"#
        );
        assert!(line(&snapshot, Rate::default()).ends_with(r#""rate":0.0,"eta_seconds":null}"#));
    }
}
