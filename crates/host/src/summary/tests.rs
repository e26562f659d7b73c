//! The summary and the report of a batch, as text.

use std::time::Duration;

use batchmill_core::{BatchId, ErrorClass, JobId, JobResult, Pause, Status, StopReason, Verdict, WallTime};
use insta::assert_snapshot;

use super::{group::tests::failed, *};
use crate::paint::Paint;

fn summary() -> Summary {
    let mut collected = Collector::default();
    let mut results: Vec<_> = (1..=6)
        .map(|id| {
            let mut result = JobResult::new(JobId::from(id), id, Status::Succeeded);
            result.started_at = Some(WallTime::default());
            result.duration = Duration::from_millis(id * 1100);
            result
        })
        .collect();
    results.push(failed(7, ErrorClass::Transient, "shrink", "exited with status 3:\n\x1b[31mno space\x1b[0m"));
    results.push(failed(8, ErrorClass::Transient, "shrink", "exited with status 3"));
    results.push(failed(9, ErrorClass::Permanent, "hash", "sha256sum: not found"));
    collected.take(&results);
    let mut counts = BatchCounts::default();
    (counts.submitted, counts.succeeded, counts.failed) = (9, 6, 3);
    let started = WallTime::parse("2026-11-23T12:00:00Z").unwrap();
    let duration = Duration::from_millis(4500);
    Summary {
        batch: BatchId::new("inspect-7f3a").unwrap(),
        flow: "inspect".into(),
        verdict: Verdict::SomeFailed,
        paused: None,
        exit: Exit::SomeFailed,
        counts,
        retries: 4,
        started,
        finished: started + duration,
        duration,
        collected,
        left: Vec::new(),
        limit: None,
        results: Some("out dir/results.jsonl".into()),
        bad_lines: BadLines::default(),
        kinds: BTreeMap::from([("scheduler", vec!["priority".to_owned()]), ("sinks", Vec::new())]),
        next: Some(Next::Again("batchmill run flow.yaml jobs.jsonl".into())),
        resumed: None,
        undelivered: Vec::new(),
        sinks: Vec::new(),
    }
}

fn plain(summary: &Summary) -> String {
    text(summary, Paint { colour: false })
}

#[test]
fn lines_that_were_left_out_are_told() {
    let mut summary = summary();
    summary.bad_lines.lines = 1;
    assert!(plain(&summary).contains("\n  1 bad line left out\n"));
    summary.bad_lines.lines = 2;
    summary.bad_lines.quarantine = Some("q.jsonl".into());
    assert!(plain(&summary).contains("\n  2 bad lines left out, kept in q.jsonl\n"));
}

#[test]
fn a_batch_with_failures() {
    assert_snapshot!(plain(&summary()), @r"
    inspect-7f3a: 9 jobs in 4.5s, 2.0/s
      6 succeeded, 3 failed, 4 retries
    Errors
      2 × transient at `shrink`, for example job 7: exited with status 3: [31mno space[0m
      1 × permanent at `hash`, for example job 9: sha256sum: not found
    Slowest: job 6 (6.6s), job 5 (5.5s), job 4 (4.4s)
    Results: out dir/results.jsonl
    Next: `jq -c 'select(.error) | [.job_id, .error.class, .error.message]' 'out dir/results.jsonl'` lists the failed jobs
    ");
    assert_snapshot!("report", report(&summary()));
}

#[test]
fn a_batch_that_is_kept_is_asked_by_commands() {
    let mut summary = summary();
    summary.next = Some(Next::Resume("inspect-7f3a --state s".into()));
    let last = |summary: &Summary| plain(summary).lines().last().unwrap().to_owned();
    assert_snapshot!(last(&summary), @"Next: `batchmill errors inspect-7f3a --state s` says why jobs failed, `batchmill retry inspect-7f3a --state s --failed` runs them again");
    // Also where the results went to stdout, and no file has them.
    summary.results = None;
    assert_snapshot!(last(&summary), @"Next: `batchmill errors inspect-7f3a --state s` says why jobs failed, `batchmill retry inspect-7f3a --state s --failed` runs them again");
    summary.verdict = Verdict::Drained;
    assert_snapshot!(last(&summary), @"Next: `batchmill resume inspect-7f3a --state s` goes on with it");
}

#[test]
fn a_batch_that_was_stopped() {
    let mut summary = summary();
    summary.verdict = Verdict::Halted(StopReason::new("soon,fail=3", "3 of 9 jobs failed"));
    summary.collected = Collector::default();
    summary.results = None;
    (summary.counts.succeeded, summary.counts.skipped) = (2, 4);
    assert_snapshot!(plain(&summary), @r"
    inspect-7f3a: 9 jobs in 4.5s, 1.1/s
      2 succeeded, 3 failed, 4 skipped, 4 retries
      Stopped by `soon,fail=3`: 3 of 9 jobs failed
    ");
}

#[test]
fn jobs_that_did_not_run_are_counted_by_reason() {
    let mut summary = summary();
    summary.verdict = Verdict::Halted(StopReason::new("soon,fail=3", "3 of 9 jobs failed"));
    summary.collected = Collector::default();
    summary.results = None;
    let skipped = |id, message: &str| {
        let mut result = JobResult::new(JobId::from(id), id, Status::Skipped);
        let error = batchmill_core::JobError::new(ErrorClass::Cancelled, "halted", message);
        result.error = Some(Box::new(error));
        result
    };
    let results: Vec<_> = (0..4).map(|id| skipped(id, "skipped: the batch was stopped by `soon,fail=3`")).collect();
    summary.collected.take(&results);
    (summary.counts.succeeded, summary.counts.skipped) = (2, 4);
    assert_snapshot!(plain(&summary), @r"
    inspect-7f3a: 9 jobs in 4.5s, 1.1/s
      2 succeeded, 3 failed, 4 skipped, 4 retries
      Stopped by `soon,fail=3`: 3 of 9 jobs failed
    Not run
      4 skipped: the batch was stopped by `soon,fail=3`
    ");
    let report: serde_json::Value = serde_json::from_str(&report(&summary)).unwrap();
    let expected = serde_json::json!([{
        "jobs": 4, "state": "skipped", "reason": "halted",
        "message": "skipped: the batch was stopped by `soon,fail=3`",
    }]);
    assert_eq!(report["not_run"], expected);
}

#[test]
fn a_batch_that_was_interrupted() {
    let mut summary = summary();
    summary.verdict = Verdict::Drained;
    summary.collected = Collector::default();
    (summary.counts.succeeded, summary.counts.failed, summary.counts.pending) = (2, 0, 7);
    summary.retries = 1;
    assert_snapshot!(plain(&summary), @r"
    inspect-7f3a: 9 jobs in 4.5s, 0.4/s
      2 succeeded, 7 not run to their end, 1 retry
      Interrupted before the end
    Results: out dir/results.jsonl
    Next: `batchmill run flow.yaml jobs.jsonl` runs all of it again
    ");
}

#[test]
fn a_batch_that_did_enough() {
    let mut summary = summary();
    summary.verdict = Verdict::Halted(StopReason::new("now,success=2", "2 of 9 jobs succeeded").as_success());
    summary.collected = Collector::default();
    (summary.counts.succeeded, summary.counts.failed, summary.counts.skipped) = (2, 1, 6);
    summary.exit = Exit::Success;
    assert_snapshot!(plain(&summary), @r"
    inspect-7f3a: 9 jobs in 4.5s, 0.7/s
      2 succeeded, 1 failed, 6 skipped, 4 retries
      Stopped as asked by `now,success=2`: 2 of 9 jobs succeeded
    Results: out dir/results.jsonl
    Next: `jq -c 'select(.error) | [.job_id, .error.class, .error.message]' 'out dir/results.jsonl'` lists the failed jobs
    ");
    let report: serde_json::Value = serde_json::from_str(&report(&summary)).unwrap();
    let reason = serde_json::json!({"rule": "now,success=2", "message": "2 of 9 jobs succeeded", "success": true});
    assert_eq!((&report["verdict"], &report["reason"], &report["exit_code"]), (&"halted".into(), &reason, &0.into()));
}

#[test]
fn a_batch_that_was_interrupted_while_it_was_paused() {
    let mut summary = summary();
    summary.verdict = Verdict::Drained;
    summary.paused = Some(Pause::Rule(StopReason::new("pause,fail=3", "3 of 9 jobs failed")));
    summary.collected = Collector::default();
    (summary.counts.succeeded, summary.counts.pending, summary.results) = (2, 4, None);
    assert_snapshot!(plain(&summary), @r"
    inspect-7f3a: 9 jobs in 4.5s, 1.1/s
      2 succeeded, 3 failed, 4 not run to their end, 4 retries
      Paused by `pause,fail=3`: 3 of 9 jobs failed
      Interrupted before the end
    Next: `batchmill run flow.yaml jobs.jsonl` runs all of it again
    ");
    let report: serde_json::Value = serde_json::from_str(&report(&summary)).unwrap();
    assert_eq!((&report["verdict"], &report["reason"]["rule"]), (&"drained".into(), &"pause,fail=3".into()));
    // Its last jobs ran when it paused, and all of them came to their end.
    summary.verdict = Verdict::SomeFailed;
    assert!(!plain(&summary).contains("Paused"));
}

#[test]
fn an_empty_batch() {
    let mut summary = summary();
    (summary.verdict, summary.counts, summary.retries) = (Verdict::Succeeded, BatchCounts::default(), 0);
    (summary.collected, summary.duration) = (Collector::default(), Duration::from_millis(1));
    assert_snapshot!(plain(&summary), @r"
    inspect-7f3a: 0 jobs in 1ms
      0 succeeded
    Results: out dir/results.jsonl
    ");
}

#[test]
fn a_trial() {
    let mut summary = summary();
    (summary.verdict, summary.limit) = (Verdict::Succeeded, NonZeroU64::new(2));
    summary.collected = Collector::default();
    (summary.counts.succeeded, summary.counts.failed, summary.counts.pending) = (2, 0, 7);
    (summary.retries, summary.results) = (0, None);
    assert_snapshot!(plain(&summary), @r"
    inspect-7f3a: a trial: 2 of 9 jobs in 4.5s, 0.4/s
      2 succeeded; the rest has not run
    ");
}
