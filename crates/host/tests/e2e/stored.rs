//! Batches that are stored, looked at when nobody runs them.

use serde_json::Value;

use crate::stage::{Done, Stage, field, wait_until};

/// A batch of 20 jobs, of which those with an odd number fail.
fn half_failed() -> Stage {
    let nodes =
        "  node:\n    run: [sh, -c, 'echo \"cannot read /data/$1.txt\" >&2; exit $(($1 % 2))', sh, '${ .n }']\n";
    let stage = Stage::with(nodes, (1..=20).map(|n| format!(r#"{{"n":{n}}}"#)));
    stage.run(&["--max-attempts", "2", "--set", "retry.options.delay='1ms'", "--concurrency", "4"]).expect(1);
    stage
}

fn says(done: &Done, text: &str) {
    assert!(done.stdout.contains(text), "no `{text}` in stdout:\n{}", done.stdout);
}

#[test]
fn a_finished_batch_has_its_status_results_and_errors() {
    let stage = half_failed();
    let list = stage.batchmill(&["status"]).expect(0);
    assert!(list.stdout.starts_with("BATCH"), "{}", list.stdout);
    says(&list, "  test  finished  20    20     10      20");
    let shown = stage.batchmill(&["status", "test-"]).expect(0);
    says(&shown, "\n  20 of 20 jobs have ended: 10 succeeded, 10 failed\n");
    says(&shown, "\nNext: `batchmill errors test-");
    let errors = stage.batchmill(&["errors"]).expect(0);
    says(&errors, "GROUP       JOBS  CLASS ");
    says(&errors, "  10    transient  exit_status  node  ");
    says(&errors, "exited with status #: cannot read <path>");
    let errors: Value = serde_json::from_str(&stage.batchmill(&["errors", "-o", "json"]).expect(0).stdout).unwrap();
    assert_eq!((&errors[0]["jobs"], errors[0]["examples"].as_array().map(Vec::len)), (&10.into(), Some(3)));
    let story = stage.batchmill(&["explain", "last", "7"]).expect(0);
    says(&story, " (place 6): failed after 2 attempts\n  attempt 1: transient after ");
    says(&story, "\n  transient at `node` (exit_status): ");
    stage.batchmill(&["explain", "last", "21"]).expect(65).says(" has no job `21`");
}

#[test]
fn a_state_directory_that_is_not_there_is_no_list_of_nothing() {
    let stage = Stage::new();
    assert_eq!(stage.batchmill(&["status"]).expect(0).stdout, "No batches.\n", "nothing has run yet");
    stage
        .batchmill(&["status", "--state", "typo"])
        .expect(65)
        .says("typo: there are no batches here; --state names another");
    std::fs::create_dir(stage.path("made")).unwrap();
    assert_eq!(stage.batchmill(&["status", "--state", "made"]).expect(0).stdout, "No batches.\n");
}

#[test]
fn stored_results_are_those_that_the_run_printed() {
    let stage = Stage::with(
        "  node:\n    run: [sh, -c, 'exit $(($1 % 2))', sh, '${ .n }']\n",
        (1..=9).map(|n| format!(r#"{{"n":{n}}}"#)),
    );
    let printed = stage.run(&["--max-attempts", "1"]).expect(1).stdout;
    assert_eq!(stage.batchmill(&["results"]).expect(0).stdout, printed);
    let failed = stage.batchmill(&["results", "last", "--status", "failed,timed_out"]).expect(0).results();
    assert_eq!(field(&failed, "status"), ["failed"; 5]);
    let list: Value = serde_json::from_str(&stage.batchmill(&["results", "-o", "json"]).expect(0).stdout).unwrap();
    assert_eq!(list.as_array().map(Vec::len), Some(9));
    let table = stage.batchmill(&["results", "-o", "table"]).expect(0).stdout;
    assert!(table.starts_with("JOB  STATUS     ATTEMPTS  DURATION  ERROR\n") && table.lines().count() == 10, "{table}");
    stage.batchmill(&["results", "--status", "lost"]).expect(2).says("possible values: succeeded, failed, timed_out");
    stage.batchmill(&["results", "--generation", "1"]).expect(65).says("has no generation 1: 0 is the batch itself");
}

#[test]
fn a_reader_who_has_seen_enough_ends_it_quietly() {
    let stage = Stage::with("  node: {set: '{}'}\n", (0..3000).map(|_| "{}"));
    stage.run(&["--progress", "none", "--quiet"]).expect(0);
    let binary = env!("CARGO_BIN_EXE_batchmill");
    let script = format!("set -o pipefail; {binary} results | head -n 1 | wc -l");
    let output = stage.shell(&format!("bash -c '{script}'")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "1");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn an_unknown_batch_is_answered_with_the_nearest_name() {
    let stage = Stage::with("  node: {set: '{}'}\n", ["{}"]);
    for command in ["status", "results", "errors", "cancel", "pause", "unpause", "drain"] {
        stage.batchmill(&[command, "nightly"]).expect(65).says(".batchmill: there are no batches here");
    }
    assert_eq!(stage.batchmill(&["status"]).expect(0).stdout, "No batches.\n");
    assert!(!stage.path(".batchmill").exists(), "who only looks makes nothing");
    stage.run(&["--batch", "nightly-1"]).expect(0);
    stage.run(&["--batch", "nightly-2"]).expect(0);
    stage.batchmill(&["status", "nigtly-1"]).expect(65).says("did you mean `nightly-1`?");
    stage.batchmill(&["results", "nightly"]).expect(65).says("several batches: nightly-2, nightly-1");
    stage.batchmill(&["explain", "last", "1"]).expect(0);
    stage.batchmill(&["explain", "last", ""]).expect(2).says("an id must not be empty");
}

#[test]
fn a_batch_that_cannot_be_read_hides_no_other() {
    let stage = Stage::with("  node: {set: '{}'}\n", ["{}"]);
    stage.run(&["--batch", "good"]).expect(0);
    stage.run(&["--batch", "broken"]).expect(0);
    for file in ["batch.db", "batch.db-wal", "batch.db-shm"] {
        let path = format!(".batchmill/batches/broken/{file}");
        if stage.path(&path).exists() {
            stage.write(&path, "not a database, and long enough to be looked at twice");
        }
    }
    let before = stage.read(".batchmill/batches/broken/batch.db");
    let list = stage.batchmill(&["status"]).expect(0).says("a batch cannot be read: ");
    assert_eq!(list.stdout.lines().count(), 2, "{}", list.stdout);
    for command in
        [&["status", "broken"][..], &["results", "broken"], &["errors", "broken"], &["explain", "broken", "1"]]
    {
        stage.batchmill(command).expect(65).says("broken/batch.db: ");
    }
    assert_eq!(stage.read(".batchmill/batches/broken/batch.db"), before, "it was left as it is");
}

#[test]
fn a_host_that_is_stopped_is_not_waited_for_for_ever() {
    let stage = Stage::with("  node:\n    run: [sh, -c, 'touch started; read line < gate']\n", ["{}"]);
    stage.make_gate();
    let running = stage.start(&["--batch", "b"]);
    wait_until("the job", || stage.count("started") == 1);
    running.signal("STOP");
    let shown = stage.batchmill(&["status", "b"]).expect(0);
    says(&shown, "\n  0 of 1 jobs have ended\n  Its host does not answer: this is what is stored\n");
    running.signal("CONT");
    let _gate = stage.open_gate(1);
    running.end().expect(0);
}

#[test]
fn old_batches_are_removed_and_only_those() {
    let stage = Stage::with("  node: {set: '{}'}\n", ["{}"]);
    stage.run(&["--batch", "one"]).expect(0);
    stage.run(&["--batch", "two"]).expect(0);
    assert_eq!(stage.batchmill(&["prune", "--older", "1d"]).expect(0).stdout, "Nothing to remove.\n");
    let shown = stage.batchmill(&["prune", "--older", "0s", "--dry-run"]).expect(0);
    says(&shown, "2 batches would be removed.\n");
    assert!(stage.path(".batchmill/batches/one").exists());
    let removed = stage.batchmill(&["prune", "--older", "0s", "-o", "jsonl"]).expect(0).results();
    let mut names = field(&removed, "batch");
    names.sort_unstable();
    assert_eq!((names, &removed[0]["removed"]), (vec!["one", "two"], &true.into()));
    assert!(!stage.path(".batchmill/batches/one").exists());
    assert_eq!(stage.batchmill(&["status"]).expect(0).stdout, "No batches.\n");
    stage.batchmill(&["prune"]).expect(2).says("--older");
    stage.batchmill(&["prune", "--older", "30"]).expect(2).says("write a number with a unit");
}
