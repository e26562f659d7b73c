//! A disk that fails: nobody knows what it has kept, so nothing more is written, and nothing is told that may not be true.

use std::process::Command;

use super::{each_has_a_result, starts};
use crate::stage::{Stage, field, records, skipped};

const JOBS: usize = 40;

#[test]
fn a_sync_that_fails_stops_the_batch_and_nothing_is_told_that_is_not_recorded() {
    let Some(stage) = stage("a sync that fails") else { return };
    // Calls are counted thread by thread: one accepts the batch with some, one writes results with one or more each.
    let done = stage.watch(with_failing(&stage, "fdatasync", 25)).end().expect(74);
    assert!(done.stderr.contains("a sync failed"), "{}", done.stderr);
    nothing_false(&stage, &done.stdout);
}

#[test]
fn a_write_that_fails_stops_the_batch_and_nothing_is_told_that_is_not_recorded() {
    let Some(stage) = stage("a write that fails") else { return };
    let done = stage.watch(with_failing(&stage, "pwrite64", 150)).end().expect(74);
    assert!(done.stderr.contains("batch.db"), "{}", done.stderr);
    nothing_false(&stage, &done.stdout);
}

/// Jobs that write their number down, one after the other. `None` where calls to the system can not be made to fail.
fn stage(test: &str) -> Option<Stage> {
    let node = "  node:\n    run: [sh, -c, 'echo $1 >> ledger', sh, '${ .n }']\n";
    let stage = Stage::with(node, (1..=JOBS).map(|n| format!(r#"{{"n":{n}}}"#)));
    let traced = Command::new("strace").args(["-o", "/dev/null", "true"]).status();
    if traced.is_ok_and(|status| status.success()) {
        return Some(stage);
    }
    skipped(test, "unavailable: `strace` is not installed, or may not trace");
    None
}

/// The program; `call` fails in each of its threads after the first few times.
fn with_failing(stage: &Stage, call: &str, first: usize) -> Command {
    let inject = format!("inject={call}:error=EIO:when={first}+");
    let trace = ["-f", "-qqq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject];
    let run = [env!("CARGO_BIN_EXE_batchmill"), "run", "flow.yaml", "jobs.jsonl", "--concurrency", "1"];
    stage.prepared("strace", &[&trace[..], &run].concat())
}

/// Everything that was told is recorded, and runs no more; everything else does.
fn nothing_false(stage: &Stage, told: &str) {
    let told = records(told);
    let told: Vec<&str> = field(&told, "job_id");
    assert!(!told.is_empty() && told.len() < JOBS, "it failed too early or too late for this test: {told:?}");
    let results = stage.run(&[]).expect(0).results();
    each_has_a_result(&results, JOBS);
    let starts = starts(stage);
    for job in told {
        assert_eq!(starts[job], 1, "job {job} had a result");
    }
}
