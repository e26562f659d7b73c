//! A batch that runs, asked and steered from outside.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::UnixStream,
    },
    path::PathBuf,
};

use serde_json::{Value, json};

use crate::stage::{Done, Running, Stage, field, wait_until};

/// Six jobs, two at a time, each of which waits at the gate.
fn gated() -> Stage {
    let nodes = "  node:\n    run: [sh, -c, 'touch started.$1; read line < gate', sh, '${ .n }']\n";
    let stage = Stage::with(nodes, (1..=6).map(|n| format!(r#"{{"n":{n}}}"#)));
    stage.make_gate();
    stage
}

fn start(stage: &Stage) -> Running<'_> {
    let running = stage.start(&["--concurrency", "2", "--max-attempts", "1"]);
    started(stage, 2);
    running
}

fn started(stage: &Stage, jobs: usize) {
    wait_until(&format!("{jobs} jobs that have started"), || stage.count("started.") == jobs);
}

/// `status last` as data.
fn status(stage: &Stage) -> Value {
    serde_json::from_str(&stage.batchmill(&["status", "last", "-o", "json"]).expect(0).stdout).unwrap()
}

fn wait_for_count(stage: &Stage, name: &str, jobs: u64) {
    wait_until(&format!("{jobs} {name}"), || status(stage)["counts"][name] == jobs);
}

fn says(done: &Done, text: &str) {
    assert!(done.stdout.contains(text), "no `{text}` in stdout:\n{}", done.stdout);
}

#[test]
fn a_batch_is_looked_at_paused_and_let_go_on() {
    let stage = gated();
    let running = start(&stage);
    let shown = stage.batchmill(&["status", "last"]).expect(0);
    says(&shown, ": running in process ");
    says(&shown, "\n  0 of 6 (0%), 0.0/s, 2 running, 0 failed, 0 retries\n");
    says(&shown, "\n  at most 2 at once\n  4 pending: all 2 slots are taken\n");
    says(&stage.batchmill(&["explain", "last", "6"]).expect(0), ": pending: all 2 slots are taken");

    let paused = stage.batchmill(&["pause"]).expect(0);
    says(&paused, ": paused: nothing starts, 2 running jobs may finish, 4 jobs wait; `batchmill unpause ");
    running.wait_for("Paused by a person. Nothing starts; 2 running jobs may finish, 4 jobs wait.");
    says(&stage.batchmill(&["pause", "last"]).expect(0), ": was paused already\n");
    let _gate = stage.open_gate(6);
    wait_for_count(&stage, "succeeded", 2);
    assert_eq!(stage.count("started."), 2, "although the gate is open");
    says(&stage.batchmill(&["status"]).expect(0), "  paused  ");
    says(&stage.batchmill(&["explain", "last", "6"]).expect(0), "the batch is paused by a person");

    let unpaused: Value = serde_json::from_str(&stage.batchmill(&["unpause", "-o", "json"]).expect(0).stdout).unwrap();
    assert_eq!((&unpaused["before"]["by"], &unpaused["paused"]), (&"person".into(), &Value::Null));
    running.end().expect(0).says("The batch goes on.");
    assert_eq!(stage.count("started."), 6);
}

#[test]
fn a_batch_that_a_rule_paused_goes_on() {
    let nodes = "  node:\n    run: [test, '${ .n }', -gt, '2']\n";
    let stage = Stage::with(nodes, (1..=5).map(|n| format!(r#"{{"n":{n}}}"#)));
    let running = stage.start(&["--halt", "pause,fail=2", "--concurrency", "1", "--max-attempts", "1"]);
    running.wait_for("`batchmill unpause ");
    let shown = stage.batchmill(&["status", "last"]).expect(0);
    says(&shown, "\n  Paused by `pause,fail=2`: 2 of 5 jobs failed\n");
    says(&stage.batchmill(&["pause"]).expect(0), ": was paused already by `pause,fail=2`: 2 of 5 jobs failed\n");
    says(&stage.batchmill(&["unpause"]).expect(0), ": goes on; 3 jobs waited\n");
    let done = running.end().expect(1);
    assert_eq!(field(&done.results(), "status"), ["failed", "failed", "succeeded", "succeeded", "succeeded"]);
}

#[test]
fn jobs_are_cancelled_one_by_one_and_the_first_record_counts() {
    let stage = gated();
    let running = start(&stage);
    let done = stage.batchmill(&["cancel", "last", "5", "7", "x"]).expect(65).says(" has no jobs `7`, `x`");
    assert_eq!(done.stdout, "", "where one is not known, nothing is done");
    assert_eq!(stage.batchmill(&["cancel", "last", "5", "6"]).expect(0).stdout, "5: cancelled\n6: cancelled\n");
    assert_eq!(stage.batchmill(&["cancel", "last", "6"]).expect(0).stdout, "6: cancelled\n", "once more is no harm");
    let _first = stage.open_gate(1);
    wait_for_count(&stage, "succeeded", 1);
    started(&stage, 3);
    let results = stage.batchmill(&["results", "--status", "succeeded"]).expect(0).results();
    let through = results[0]["job_id"].as_str().unwrap();
    let late = stage.batchmill(&["cancel", "last", through]).expect(65);
    says(&late, &format!("{through}: had ended succeeded before; its record stays\n"));
    let other = if through == "1" { "2" } else { "1" };
    let stopped = stage.batchmill(&["cancel", "last", other]).expect(0);
    says(&stopped, "told to end; it ends cancelled unless it is through before");
    wait_for_count(&stage, "cancelled", 3);
    let _gate = stage.open_gate(6);
    let done = running.end().expect(1);
    let mut ends: Vec<_> = done.results().iter().map(|r| (r["job_id"].clone(), r["status"].clone())).collect();
    ends.sort_by_key(|(id, _)| id.to_string());
    let expected = |id: &str| match id {
        id if id == other || ["5", "6"].contains(&id) => "cancelled",
        _ => "succeeded",
    };
    assert_eq!(ends.len(), 6);
    for (id, status) in ends {
        assert_eq!(status, expected(id.as_str().unwrap()), "job {id}");
    }
}

#[test]
fn a_whole_batch_is_cancelled() {
    let stage = gated();
    let running = start(&stage);
    says(&stage.batchmill(&["cancel"]).expect(0), ": cancelling: 2 running jobs are told to end, 4 jobs wait\n");
    let done = running.end().expect(3).says("Cancelled");
    assert_eq!(field(&done.results(), "status"), ["cancelled"; 6]);
    let shown = stage.batchmill(&["status", "last"]).expect(0);
    says(&shown, ": halted; ");
    says(&shown, "\n  6 of 6 jobs have ended: 6 cancelled\n  Cancelled by a person\n");
    stage.batchmill(&["cancel", "last"]).expect(65).says(" is not running: it has ended; `batchmill status ");
    stage.batchmill(&["pause"]).expect(65).says("no batch runs in .batchmill");
}

#[test]
fn a_drained_batch_says_how_it_goes_on() {
    let stage = gated();
    let running = start(&stage);
    says(
        &stage.batchmill(&["drain"]).expect(0),
        ": drains: nothing starts any more, 2 running jobs may finish within 20.0s; ",
    );
    running.wait_for("Draining: nothing starts any more");
    let _gate = stage.open_gate(2);
    running.end().expect(75);
    let shown = stage.batchmill(&["status", "last"]).expect(0);
    says(&shown, ": interrupted; ");
    says(&shown, "\n  2 of 6 jobs have ended: 2 succeeded\nNext: `batchmill resume ");
    stage.batchmill(&["unpause", "last"]).expect(65).says(" is not running: it was interrupted; `batchmill resume ");
    let waiting = stage.batchmill(&["explain", "last", "6"]).expect(0);
    says(&waiting, " (place 5): has not run; no host runs its batch\n");
    stage.batchmill(&["explain", "last", "7"]).expect(65).says(" has no job `7`");
}

#[test]
fn a_pause_outlives_its_host() {
    let stage = gated();
    let running = start(&stage);
    stage.batchmill(&["pause"]).expect(0);
    stage.batchmill(&["drain"]).expect(0);
    let gate = stage.open_gate(2);
    running.end().expect(75);
    says(&stage.batchmill(&["status", "last"]).expect(0), "\n  Paused by a person\n");
    let again = stage.start(&["--concurrency", "2", "--max-attempts", "1"]);
    again.wait_for("Paused by a person. Nothing starts; 0 running jobs may finish, 4 jobs wait.");
    drop(gate);
    let _gate = stage.open_gate(4);
    assert_eq!(stage.count("started."), 2);
    stage.batchmill(&["unpause"]).expect(0);
    again.end().expect(0);
    assert_eq!(stage.count("started."), 6);
}

#[test]
fn a_host_that_was_killed_leaves_a_socket_and_a_story() {
    let stage = gated();
    let running = start(&stage);
    running.signal("KILL");
    drop(running);
    let shown = stage.batchmill(&["status", "last"]).expect(0);
    says(&shown, "\n  0 of 6 jobs have ended\n  Its host died while 2 jobs ran: killed, or the power went\n");
    let story = stage.batchmill(&["explain", "last", "1"]).expect(0);
    says(&story, " (place 0): has not ended; no host runs its batch\n  its host died once while it ran\n");
    assert!(socket(&stage).exists(), "nobody was left to remove it");
    stage.batchmill(&["pause", "last"]).expect(65).says(" is not running: it was interrupted");
    let _gate = stage.open_gate(6);
    stage.batchmill(&["resume"]).expect(0);
    assert!(!socket(&stage).exists());
}

fn socket(stage: &Stage) -> PathBuf {
    let batches: Vec<_> = fs::read_dir(stage.path(".batchmill/batches")).unwrap().flatten().collect();
    assert_eq!(batches.len(), 1);
    batches[0].path().join("control.sock")
}

#[test]
fn the_socket_speaks_json_lines_to_its_owner() {
    let stage = gated();
    let running = start(&stage);
    let about = fs::metadata(socket(&stage)).unwrap();
    assert!(about.file_type().is_socket());
    assert_eq!(about.permissions().mode() & 0o777, 0o600);
    let mut stream = BufReader::new(UnixStream::connect(socket(&stage)).unwrap());
    let mut ask = |request: &str| -> Value {
        writeln!(stream.get_mut(), "{request}").unwrap();
        let mut answer = String::new();
        stream.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    };
    let status = ask(r#"{"request":"status"}"#);
    assert_eq!((&status["answer"], &status["running"], &status["pending"]), (&"status".into(), &2.into(), &4.into()));
    let census = ask(r#"{"request":"census"}"#);
    assert_eq!(census["shares"][0]["reason"], "slots");
    assert_eq!(ask(r#"{"request":"explain","job":"1"}"#)["reason"], "running");
    assert_eq!(ask(r#"{"request":"cancel","job":"1"}"#)["why"], "bad_request", "a slip cancels nothing");
    let draining = ask(r#"{"request":"drain"}"#);
    assert_eq!((&draining["answer"], &draining["before"]), (&"draining".into(), &json!(false)));
    let _gate = stage.open_gate(2);
    running.end().expect(75);
}
