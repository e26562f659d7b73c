//! Limits of time, each with its code, and a limit on attempts at once that follows the load.

use crate::stage::{Done, Stage};

/// Status and code of each job by its place.
fn ends(done: &Done) -> Vec<(String, String)> {
    let mut results = done.results();
    results.sort_by_key(|result| result["sequence"].as_u64());
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    results.iter().map(|result| (text(&result["status"]), text(&result["error"]["code"]))).collect()
}

fn end(status: &str, code: &str) -> (String, String) {
    (status.to_owned(), code.to_owned())
}

#[test]
fn a_job_that_waits_too_long_for_its_start_times_out() {
    let stage = Stage::with("  node:\n    run: [sleep, '${ .s }']\n", [r#"{"s":2}"#, r#"{"s":0}"#]);
    let done = stage.run(&["--concurrency", "1", "--set", "executor.queue_timeout=500ms"]).expect(1);
    assert_eq!(ends(&done), [end("succeeded", ""), end("timed_out", "queue_timeout")]);
    assert!(done.stderr.contains("it did not start within 500ms"), "{}", done.stderr);
}

#[test]
fn a_job_that_takes_too_long_with_its_waits_times_out() {
    let stage = Stage::with("  node:\n    run: [sh, -c, exit 1]\n    retry: {delay: 20s, jitter: none}\n", ["{}"]);
    let done = stage.run(&["--set", "executor.job_timeout=700ms"]).expect(1);
    assert_eq!(ends(&done), [end("timed_out", "job_timeout")]);
    assert_eq!(done.results()[0]["attempts"], 1);
}

#[test]
fn a_process_that_is_silent_for_too_long_is_ended() {
    let stage = Stage::with("  node:\n    run: [sh, -c, echo a; sleep 1000]\n    idle_timeout: 300ms\n", ["{}"]);
    let done = stage.run(&["--max-attempts", "1"]).expect(1);
    assert_eq!(ends(&done), [end("timed_out", "idle_timeout")]);
    assert_eq!(done.results()[0]["error"]["node"], "node");
}

#[test]
fn a_node_has_a_time_of_its_own_whatever_the_attempt_may_take() {
    let nodes = "  first:\n    set: '{}'\n    next: slow\n  slow:\n    run: [sleep, '1000']\n    timeout: 300ms\n";
    let done = Stage::with(nodes, ["{}"]).run(&["--max-attempts", "2", "--set", "retry.options.delay=1ms"]).expect(1);
    let result = &done.results()[0];
    assert_eq!((&result["status"], &result["attempts"]), (&"timed_out".into(), &2.into()), "{result}");
    assert_eq!((&result["error"]["class"], &result["error"]["node"]), (&"timeout".into(), &"slow".into()), "{result}");
}

#[test]
fn a_percentage_of_the_median_ends_what_takes_far_longer_than_usual() {
    let jobs = (0..12).map(|n| format!("{{\"s\":{}}}", if n == 11 { 1000 } else { 0 }));
    let stage = Stage::with("  node:\n    run: [sleep, '${ .s }']\n", jobs);
    let done = stage.run(&["--concurrency", "1", "--timeout", "300%", "--max-attempts", "1"]).expect(1);
    assert_eq!(ends(&done)[11], end("timed_out", "timeout"));
    let said = done.results().iter().any(|result| result["error"]["message"] == "did not end within 1.0s");
    assert!(said, "never less than a second: {:?}", done.results().last());
}

#[test]
fn a_node_that_may_take_longer_than_an_attempt_is_told() {
    let stage = Stage::with("  long:\n    set: '{}'\n    timeout: 10m\n", ["{}"]);
    stage.run(&[]).expect(0).says("its timeout of 10m");
    assert!(!stage.run(&["--fresh", "--overwrite", "--timeout", "1h"]).expect(0).stderr.contains("its timeout"));
}

#[test]
fn limits_of_time_may_change_on_a_resume() {
    let stage = Stage::with("  node:\n    set: '{}'\n", ["{}", "{}"]);
    stage.run(&["--batch", "b", "--limit", "1"]).expect(0);
    let limits = ["--set", "executor.queue_timeout=1h", "--set", "executor.job_timeout=2h", "--timeout", "300%"];
    let done = stage.run(&[&["--batch", "b"], &limits[..]].concat()).expect(0);
    assert_eq!(ends(&done), [end("succeeded", ""), end("succeeded", "")]);
}

#[test]
fn a_governor_is_chosen_by_one_line_and_progress_says_what_it_does() {
    let stage = Stage::with("  node:\n    set: '{}'\n", ["{}", "{}"]);
    let config = ["--set", "governor.kind=adaptive", "--concurrency", "3", "--progress", "json", "--report", "r.json"];
    let done = stage.run(&config).expect(0);
    let line: serde_json::Value = serde_json::from_str(done.stderr.lines().next().unwrap()).unwrap();
    assert_eq!((&line["concurrency"], line.get("concurrency_reason")), (&3.into(), None));
    assert!(stage.read("r.json").contains("\"adaptive\""), "{}", stage.read("r.json"));
    let plain = stage.run(&["--fresh", "--overwrite", "--progress", "json"]).expect(0);
    assert!(!plain.stderr.lines().next().unwrap().contains("concurrency"), "{}", plain.stderr);
}
