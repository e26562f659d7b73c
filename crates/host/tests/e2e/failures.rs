//! Jobs that fail in every way there is.

use serde_json::Value;

use crate::stage::{Stage, is_alive, wait_until};

fn only(stage: &Stage, args: &[&str], code: i32) -> Value {
    let mut results = stage.run(args).expect(code).results();
    assert_eq!(results.len(), 1);
    results.remove(0)
}

fn shell(script: &str) -> String {
    format!("  node:\n    run: [sh, -c, '{script}']\n")
}

#[test]
fn a_job_that_fails_is_tried_again_and_then_reported() {
    let stage = Stage::with(&shell("echo gone >&2; exit 3"), ["{}"]);
    let result = only(&stage, &["--max-attempts", "2", "--set", "retry.options.delay=1ms"], 1);
    assert_eq!((&result["status"], &result["attempts"]), (&"failed".into(), &2.into()));
    let error = &result["error"];
    assert_eq!(
        (&error["class"], &error["code"], &error["node"]),
        (&"transient".into(), &"exit_status".into(), &"node".into())
    );
    assert_eq!(error["history"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_job_that_recovers_succeeds_and_says_how_often_it_was_tried() {
    let stage = Stage::with(&shell("echo x >> tries; test $(wc -l < tries) -ge 3"), ["{}"]);
    let result = only(&stage, &["--set", "retry.options.delay=1ms"], 0);
    assert_eq!((&result["status"], &result["attempts"]), (&"succeeded".into(), &3.into()));
    assert!(result["error"].is_null());
}

#[test]
fn what_an_earlier_attempt_did_is_not_done_again() {
    let nodes = "  first:\n    run: [sh, -c, 'echo x >> first']\n  second:\n    needs: [first]\n    run: [sh, -c, 'echo x >> second; test $(wc -l < second) -ge 2']\n";
    let stage = Stage::with(nodes, ["{}"]);
    let result = only(&stage, &["--set", "retry.options.delay=1ms"], 0);
    assert_eq!(result["attempts"], 2);
    assert_eq!((stage.read("first").as_str(), stage.read("second").as_str()), ("x\n", "x\nx\n"));
}

#[test]
fn a_program_that_is_not_there_is_not_tried_again() {
    let stage = Stage::with("  node:\n    run: [no-such-program-anywhere]\n", ["{}"]);
    let result = only(&stage, &[], 1);
    assert_eq!((&result["status"], &result["attempts"]), (&"failed".into(), &1.into()));
    assert_eq!((&result["error"]["class"], &result["error"]["code"]), (&"permanent".into(), &"spawn_failed".into()));
}

#[test]
fn a_job_that_hangs_is_timed_out_and_its_processes_are_gone() {
    let stage = Stage::with(&shell("sleep 600 & echo $! > pid; wait"), ["{}"]);
    let result = only(&stage, &["--timeout", "300ms", "--max-attempts", "1"], 1);
    assert_eq!((&result["status"], &result["error"]["class"]), (&"timed_out".into(), &"timeout".into()));
    let pid = stage.read("pid");
    wait_until("the end of the process", || !is_alive(&pid));
}

#[test]
fn a_job_killed_by_a_signal_is_a_crash() {
    let stage = Stage::with(&shell("kill -SEGV $$"), ["{}"]);
    let result = only(&stage, &["--max-attempts", "1"], 1);
    assert_eq!((&result["status"], &result["error"]["class"]), (&"failed".into(), &"crash".into()));
}

#[test]
fn failures_are_grouped_in_the_summary_and_in_the_report() {
    let nodes = "  node:\n    run: [sh, -c, 'exit ${ .code }']\n    exit_codes: {permanent: [4]}\n";
    let jobs = [r#"{"code":4}"#, r#"{"code":0}"#, r#"{"code":5}"#, r#"{"code":4}"#];
    let stage = Stage::with(nodes, jobs);
    stage
        .run(&["--report", "report.json", "--max-attempts", "1", "--concurrency", "1"])
        .expect(1)
        .says("1 succeeded, 3 failed")
        .says("2 × permanent at `node`, for example job 1:")
        .says("1 × transient at `node`, for example job 3:");
    let report: Value = serde_json::from_str(&stage.read("report.json")).unwrap();
    assert_eq!((&report["verdict"], &report["exit_code"]), (&"some_failed".into(), &1.into()));
    assert_eq!(report["errors"][0]["jobs"], 2);
    assert_eq!((&report["counts"]["succeeded"], &report["counts"]["failed"]), (&1.into(), &3.into()));
    assert_eq!(report["plugins"]["retry"], serde_json::json!(["exponential"]));
}

#[test]
fn the_exit_code_can_count() {
    let nodes = "  node:\n    run: ['false']\n";
    let stage = Stage::with(nodes, (0..4).map(|_| "{}"));
    stage.run(&["--exit-code", "count", "--max-attempts", "1"]).expect(4);
    let stage = Stage::with("  node:\n    run: ['true']\n", ["{}"]);
    stage.run(&["--exit-code", "count"]).expect(0);
}

#[test]
fn counting_is_about_jobs_and_leaves_other_ends_their_codes() {
    let hangs = Stage::with(&shell("sleep 600"), ["{}", "{}"]);
    hangs.run(&["--timeout", "100ms", "--max-attempts", "1", "--exit-code", "count"]).expect(2);
    hangs.run(&["--deadline", "300ms", "--exit-code", "count"]).expect(4).says("deadline");
    let halt = |rule| ["--halt", rule, "--concurrency", "1", "--max-attempts", "1", "--exit-code", "count"];
    let many = Stage::with(&shell("exit ${ .n % 2 }"), (0..300).map(|n| format!(r#"{{"n":{n}}}"#)));
    many.run(&halt("soon,fail=2")).expect(2).says("Stopped by");
    many.run(&halt("now,fail=40%")).expect(101).says("120 of 300 jobs failed");
    many.run(&halt("soon,done=1")).expect(0).says("Stopped by `soon,done=1`: 1 of 300 jobs ended");
    many.run(&["--halt", "soon,done=1", "--concurrency", "1"]).expect(3);
}

#[test]
fn a_line_that_changes_during_the_batch_stops_it_and_is_named() {
    // The first job turns the second line into another one of the same length, in place.
    let stage = Stage::with(
        "  node:\n    run: [sh, -c, 'sed s/bbb/ccc/ jobs.jsonl > changed; cat changed > jobs.jsonl']\n",
        [r#"{"name":"aaa"}"#, r#"{"name":"bbb"}"#],
    );
    let done = stage.run(&["--concurrency", "1"]).expect(65).says("jobs.jsonl:2: the line changed");
    assert_eq!(done.results()[0]["status"], "succeeded");
}

#[test]
fn a_batch_past_its_deadline_ends_with_4() {
    let stage = Stage::with(&shell("sleep 600"), ["{}", "{}"]);
    let done = stage.run(&["--deadline", "300ms", "--concurrency", "1"]).expect(4).says("deadline");
    let mut statuses: Vec<_> = done.results().iter().map(|r| r["status"].to_string()).collect();
    statuses.sort();
    assert_eq!(statuses, [r#""skipped""#, r#""timed_out""#]);
}
