//! `try`: one job, node by node.

use std::process::Command;

use serde_json::{Value, json};

use crate::stage::{Stage, wait_until};

const NODES: &str = "  size:\n    run: [printf, '%s', '${ .n }']\n    output: '{size: .stdout}'\n  \
    twice:\n    needs: [size]\n    set: '{n: (.n * 2)}'\n";
const JOBS: [&str; 2] = [r#"{"id":"alpha","input":{"n":1}}"#, r#"{"id":"beta","input":{"n":21}}"#];

#[test]
fn try_shows_commands_output_updates_and_what_becomes_of_the_state() {
    let stage = Stage::with(NODES, JOBS);
    let done = stage.batchmill(&["try", "flow.yaml", "jobs.jsonl", "--job", "beta"]).expect(0);
    for text in [
        "test: job beta\ninput {\"n\":21}\n",
        "  size\n    $ printf %s 21\n    stdout: 21\n    exit_code: 0\n    update: {\"size\":\"21\"}\n  state\n    + size: \"21\"\n",
        "  twice\n    update: {\"n\":42}\n  state\n    ~ n: 21 -> 42\n",
        "succeeded: {\"n\":42,\"size\":\"21\"}\n2 supersteps, one attempt; nothing was recorded\n",
    ] {
        assert!(done.stdout.contains(text), "no `{text}` in\n{}", done.stdout);
    }
    assert_eq!(stage.count(".batchmill"), 0);
}

#[test]
fn try_says_what_a_batch_would_do_about_a_failure_and_tries_once() {
    let nodes = "  node:\n    run: [sh, -c, 'echo >> tries; echo why >&2; exit 3']\n";
    let stage = Stage::with(nodes, ["{}"]);
    let done = stage.batchmill(&["try", "flow.yaml", "jobs.jsonl", "--job", "1"]).expect(1);
    for text in [
        "    stderr: why\n    exit_code: 3\n    error: transient exit_status: `sh` exited with status 3: why\n    a batch would try it again, within ",
        "failed at `node`: transient exit_status",
    ] {
        assert!(done.stdout.contains(text), "no `{text}` in\n{}", done.stdout);
    }
    assert_eq!(stage.read("tries").lines().count(), 1);
    let once = ["try", "flow.yaml", "jobs.jsonl", "--job", "1", "-o", "json", "--set", "retry.options.max_attempts=1"];
    let whole: Value = serde_json::from_str(&stage.batchmill(&once).expect(1).stdout).unwrap();
    let node = &whole["supersteps"][0]["nodes"][0];
    assert_eq!((&whole["status"], &node["error"]["retry"]["again"]), (&json!("failed"), &json!(false)));
    assert_eq!(node["notes"]["stderr"], "why\n");
}

#[test]
fn a_job_that_is_not_there_is_bad_data_with_the_nearest() {
    let stage = Stage::with(NODES, JOBS);
    let job = |id| stage.batchmill(&["try", "flow.yaml", "jobs.jsonl", "--job", id]);
    job("betta").expect(65).says("--job: there is no job `betta`; did you mean `beta`?");
    job("nowhere").expect(65).says("the first ones are: alpha, beta");
    stage.batchmill(&["try", "flow.yaml", "jobs.jsonl"]).expect(2).says("--job");
}

#[test]
fn the_time_limit_of_an_attempt_ends_the_process() {
    let stage = Stage::with("  node:\n    run: [sleep, '600']\n", ["{}"]);
    let limit = ["try", "flow.yaml", "jobs.jsonl", "--job", "1", "--set", "executor.timeout=50ms"];
    let done = stage.batchmill(&limit).expect(1);
    assert!(done.stdout.contains("timed_out: timeout timeout: the attempt did not end within"), "{}", done.stdout);
}

#[test]
fn an_interrupted_try_says_nothing_about_trying_again() {
    let stage = Stage::with("  node:\n    run: [sh, -c, 'echo >> begun; exec sleep 600']\n", ["{}"]);
    let child = stage.command(&["try", "flow.yaml", "jobs.jsonl", "--job", "1"]).spawn().unwrap();
    wait_until("the command to begin", || stage.count("begun") == 1);
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(75), "{shown}");
    assert!(shown.contains("\ninterrupted\n") && !shown.contains("a batch would"), "{shown}");
}
