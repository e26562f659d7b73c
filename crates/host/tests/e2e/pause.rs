//! A batch that a rule pauses: it says so, waits, and ends when it is told to.

use serde_json::Value;

use crate::stage::{Stage, field, wait_until};

/// Jobs that fail, one after the other, until they are too many.
const PAUSE: [&str; 6] = ["--halt", "pause,fail=2", "--concurrency", "1", "--max-attempts", "1"];

fn failing() -> Stage {
    Stage::with("  node:\n    run: ['false']\n", (0..5).map(|_| "{}"))
}

#[test]
fn a_paused_batch_says_why_and_waits_to_be_ended() {
    let stage = failing();
    let running = stage.start(&[&PAUSE[..], &["--report", "report.json"]].concat());
    running.wait_for(
        "Paused by `pause,fail=2`: 2 of 5 jobs failed. Nothing starts; 0 running jobs may finish, 3 jobs wait.",
    );
    running.wait_for("Interrupt (Ctrl-C) to end it with what is done.");
    // The second failure may still be on its way to the disk.
    let told = || {
        running.signal("USR1");
        stage.read("stderr").contains("2 failed, 3 pending\n  paused by `pause,fail=2`: 2 of 5 jobs failed")
    };
    wait_until("both failures", told);
    running.wait_for("2 of 5 (40%), paused by `pause,fail=2`, ");
    running.signal("INT");
    let done = running.end().expect(75).says("2 failed, 3 not run to their end\n  Paused by `pause,fail=2`");
    let done = done.says("Interrupted before the end").says("goes on with it");
    assert_eq!(field(&done.results(), "status"), ["failed", "failed"]);
    let report: Value = serde_json::from_str(&stage.read("report.json")).unwrap();
    let reason = serde_json::json!({"rule": "pause,fail=2", "message": "2 of 5 jobs failed", "success": false});
    assert_eq!((&report["verdict"], &report["reason"]), (&"drained".into(), &reason));
}

#[test]
fn running_jobs_of_a_paused_batch_finish_and_nothing_follows_them() {
    let nodes = "  node:\n    run: [sh, -c, 'touch started.$1; if [ $1 = 1 ]; then until [ -e started.2 ]; do :; done; exit 1; fi; read line < gate', sh, '${ .n }']\n";
    let stage = Stage::with(nodes, (1..=5).map(|n| format!(r#"{{"n":{n}}}"#)));
    stage.make_gate();
    let running = stage.start(&["--halt", "pause,fail=1", "--concurrency", "2", "--max-attempts", "1"]);
    running.wait_for("Nothing starts; 1 running job may finish, 3 jobs wait.");
    let _gate = stage.open_gate(5);
    let at_rest = || {
        running.signal("USR1");
        stage.read("stderr").contains("1 succeeded, 1 failed, 3 pending\n")
    };
    wait_until("the end of the running job", at_rest);
    assert_eq!(stage.count("started."), 2, "although the gate is open");
    running.signal("TERM");
    let done = running.end().expect(75).says("3 not run to their end");
    assert_eq!(field(&done.results(), "status"), ["failed", "succeeded"]);
}

#[test]
fn progress_for_programs_names_the_pause() {
    let stage = failing();
    let running = stage.start(&[&PAUSE[..], &["--progress", "json"]].concat());
    running.wait_for(r#""eta_seconds":null,"paused":{"rule":"pause,fail=2","message":"2 of 5 jobs failed"}}"#);
    running.signal("INT");
    running.end().expect(75);
    let stderr = stage.read("stderr");
    let first = stderr.lines().find(|line| line.starts_with("{\"type\":\"progress\"")).unwrap();
    assert!(!first.contains("paused"), "a batch that is not paused has no such field: {first}");
}

#[test]
fn a_deadline_ends_a_paused_batch() {
    let done = failing().run(&[&PAUSE[..], &["--deadline", "2s"]].concat()).expect(4).says("Paused by");
    let statuses = |wanted: &str| done.results().iter().filter(|r| r["status"] == wanted).count();
    assert_eq!((statuses("failed"), statuses("skipped")), (2, 3));
}

#[test]
fn the_last_job_pauses_nothing() {
    let done = failing().run(&["--halt", "pause,fail=5", "--max-attempts", "1"]).expect(1);
    assert!(!done.stderr.contains("aused"), "{}", done.stderr);
}
