//! `--limit` and `--dry-run`: looking before a batch is run as a whole.

use serde_json::Value;

use crate::stage::{Stage, field};

const JOBS: [&str; 4] = [
    r#"{"id":"low","input":{"n":1}}"#,
    r#"{"id":"high","input":{"n":2},"priority":9}"#,
    r#"{"id":"mid","input":{"n":3},"priority":5,"tenant":"lab"}"#,
    r#"{"id":"odd","input":{"m":4}}"#,
];

const NODES: &str = "  touch:\n    run: [touch, 'ran-${ .n }']\n  note:\n    run: [echo, 'a b', '${ $job.id }']\n";

#[test]
fn a_trial_runs_the_first_jobs_in_the_order_of_the_scheduler() {
    let stage = Stage::with(NODES, JOBS);
    let done = stage.run(&["--limit", "2", "--concurrency", "4", "--report", "report.json"]).expect(0);
    let results = done.results();
    let mut ids = field(&results, "job_id");
    ids.sort_unstable();
    assert_eq!(ids, ["high", "mid"], "not the first of the file");
    assert_eq!(stage.count("ran-"), 2);
    done.says("a trial: 2 of 4 jobs in").says("2 succeeded; the rest has not run\n");
    let report: Value = serde_json::from_str(&stage.read("report.json")).unwrap();
    assert_eq!((&report["limit"], &report["counts"]["pending"]), (&2.into(), &2.into()));
    assert_eq!(report["verdict"], "succeeded");

    let fifo = stage.run(&["--fresh", "--limit", "1", "--set", "scheduler.kind=fifo"]).expect(0);
    assert_eq!(field(&fifo.results(), "job_id"), ["low"]);
}

#[test]
fn jobs_of_a_trial_are_retried_and_its_exit_code_is_about_them() {
    let stage = Stage::with("  node:\n    run: [sh, -c, 'echo >> tries; exit 1']\n", JOBS);
    let retry = "retry.options={max_attempts=3,delay='1ms',jitter='none'}";
    let done = stage.run(&["--limit", "1", "--set", retry]).expect(1);
    assert_eq!((stage.read("tries").lines().count(), done.results().len()), (3, 1));
    done.says("0 succeeded, 1 failed, 2 retries; the rest has not run");
}

#[test]
fn a_trial_of_all_jobs_is_the_batch() {
    let stage = Stage::with("  node: {set: '{}'}\n", JOBS);
    let done = stage.run(&["--limit", "9"]).expect(0);
    assert!(!done.stderr.contains("trial"), "{}", done.stderr);
    assert_eq!(done.results().len(), 4);
}

#[test]
fn progress_of_a_trial_is_about_its_jobs() {
    let stage = Stage::with("  node: {run: ['true']}\n", JOBS);
    let done = stage.run(&["--limit", "1", "--progress", "json"]).expect(0);
    let last = done.stderr.lines().rev().find(|line| line.starts_with("{\"type\"")).unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    assert_eq!((&last["eta_seconds"], &last["pending"]), (&0.0.into(), &3.into()));
}

#[test]
fn a_limit_is_a_number_from_one() {
    let stage = Stage::with(NODES, JOBS);
    for limit in ["0", "-1", "ten", "10%"] {
        stage.run(&[&format!("--limit={limit}")]).expect(2).says("must be a number from 1");
    }
    assert_eq!(stage.count("ran-"), 0);
}

#[test]
fn a_dry_run_shows_what_would_start_first_and_runs_and_writes_nothing() {
    let stage = Stage::with(NODES, &JOBS[..3]);
    let flags = ["--dry-run", "--output", "out.jsonl", "--report", "report.json"];
    let sink = ["--set", "sinks=[{kind='jsonl',options={path='sink.jsonl'}}]"];
    let done = stage.run(&[&flags[..], &sink[..]].concat()).expect(0);
    let expected = "\
test: 3 jobs; the scheduler `priority` starts with these 3:
job high (priority 9)
  touch: touch ran-2
  note: echo 'a b' high
job mid (priority 5, tenant lab)
  touch: touch ran-3
  note: echo 'a b' mid
job low
  touch: touch ran-1
  note: echo 'a b' low
Nothing has run: this was a dry run.
";
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), (expected, ""));
    for prefix in ["ran-", "out", "report", "sink", ".batchmill"] {
        assert_eq!(stage.count(prefix), 0, "{prefix}");
    }
}

#[test]
fn a_dry_run_shows_the_state_where_there_is_no_command_yet() {
    let stage = Stage::with("  node: {set: '{}'}\n", ["{\"n\":1}"]);
    let done = stage.run(&["--dry-run", "--limit", "1"]).expect(0);
    assert!(done.stdout.contains("job 1\n  state: {\"n\":1}\n"), "{}", done.stdout);
}

#[test]
fn a_dry_run_finds_what_a_real_run_would_stumble_over() {
    let stage = Stage::with(NODES, [r#"{"m":4}"#]);
    let done = stage.run(&["--dry-run"]).expect(1);
    assert!(
        done.stdout.contains("  touch: would fail (permanent expression_failed): `${.n}` has no value"),
        "{}",
        done.stdout
    );
    stage.write("jobs.jsonl", "[]\n");
    stage.run(&["--dry-run"]).expect(65).says("jobs.jsonl:1:1: a job must be a JSON object");
    stage.write("batchmill.toml", "[scheduler]\nknd = 1\n");
    stage.run(&["--dry-run"]).expect(78).says("did you mean `kind`?");
}

#[test]
fn a_dry_run_of_each_shows_command_lines() {
    let stage = Stage::with("", JOBS);
    let done = stage.batchmill(&["each", "jobs.jsonl", "--dry-run", "--limit", "1", "--", "echo", "it's ${ .n }"]);
    assert!(done.stdout.contains("job high (priority 9)\n  run: echo 'it'\\''s 2'\n"), "{}", done.stdout);
    assert!(done.stdout.starts_with("echo: a trial of 1 of 4 jobs; "), "{}", done.stdout);
    done.expect(0);
}
