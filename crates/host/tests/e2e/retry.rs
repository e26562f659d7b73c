//! Jobs of a batch that has ended, run again in a batch of their own.

use serde_json::Value;

use crate::stage::{Stage, field, wait_until};

/// Four jobs with ids of their own; those below 3 fail until there is a file `mended`.
fn breakable() -> Stage {
    let nodes = "  node:\n    run: [sh, -c, 'test $1 -gt 2 || test -e mended', sh, '${ .n }']\n";
    Stage::with(nodes, (1..=4).map(|n| format!(r#"{{"id":"job {n}","input":{{"n":{n}}},"priority":{n}}}"#)))
}

const ONCE: [&str; 4] = ["--max-attempts", "1", "--batch", "b"];

fn results(stage: &Stage, args: &[&str]) -> Vec<(String, String, String)> {
    let results = stage.batchmill(&[&["results"], args].concat()).expect(0).results();
    let text = |record: &Value, name: &str| record[name].as_str().unwrap_or_default().to_owned();
    let mut all: Vec<_> = results.iter().map(|r| (text(r, "job_id"), text(r, "batch"), text(r, "status"))).collect();
    all.sort();
    all
}

fn told(rows: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    rows.iter().map(|(job, batch, status)| ((*job).to_owned(), (*batch).to_owned(), (*status).to_owned())).collect()
}

#[test]
fn what_failed_runs_again_and_the_latest_result_counts() {
    let stage = breakable();
    stage.run(&ONCE).expect(1);
    let first = stage.batchmill(&["retry", "--failed", "--max-attempts", "1"]).expect(1);
    // In the usual place of the folder where the person is: no `--state`.
    let first = first.says("Next: `batchmill errors b.r1` says why").says("`batchmill retry b.r1 --failed` runs");
    let mut ids = field(&first.results(), "job_id").into_iter().map(str::to_owned).collect::<Vec<_>>();
    ids.sort();
    assert_eq!(ids, ["job 1", "job 2"], "the same ids, and only those that failed");
    assert_eq!(field(&first.results(), "batch"), ["b.r1"; 2]);
    stage.write("mended", "");
    let second = stage.batchmill(&["retry", "b", "--failed"]).expect(0).results();
    assert_eq!((field(&second, "batch"), second.len()), (vec!["b.r2"; 2], 2));
    let priority = |id: &str| second.iter().find(|r| r["job_id"] == id).map(|r| r["priority"].clone());
    assert_eq!(priority("job 2"), Some(2.into()), "keys are those of the first time");

    let (ok, failed) = ("succeeded", "failed");
    let latest = [("job 1", "b.r2", ok), ("job 2", "b.r2", ok), ("job 3", "b", ok), ("job 4", "b", ok)];
    assert_eq!(results(&stage, &["b"]), told(&latest));
    assert_eq!(
        results(&stage, &["b", "--generation", "1"]),
        told(&[("job 1", "b.r1", failed), ("job 2", "b.r1", failed)])
    );
    assert_eq!(results(&stage, &["b.r1"]), results(&stage, &["b", "--generation", "1"]));
    assert_eq!(
        results(&stage, &["b", "--generation", "0", "--status", "failed"]),
        told(&[("job 1", "b", failed), ("job 2", "b", failed)])
    );
    stage.batchmill(&["results", "b", "--generation", "3"]).expect(65).says("1 to 2 are a retry of it");
    assert_eq!(stage.batchmill(&["errors", "b"]).expect(0).stdout, "No job has failed.\n");
    let status = stage.batchmill(&["status", "b.r2"]).expect(0).stdout;
    assert!(status.contains("; generation 2 of b\n"), "{status}");
    stage.batchmill(&["retry", "b", "--failed"]).expect(0).says("No job of the batch is chosen; nothing runs again.");
    assert_eq!(stage.batchmill(&["status"]).expect(0).stdout.lines().count(), 4, "and no batch was made");
    // What a batch was made of stays as long as the batch.
    stage.batchmill(&["prune", "--older", "0s"]).expect(0);
    assert_eq!(stage.batchmill(&["status"]).expect(0).stdout, "No batches.\n");
}

#[test]
fn jobs_are_chosen_by_status_class_and_node() {
    let nodes = "  early:\n    run: [test, '${ .n }', '!=', '1']\n  late:\n    needs: [early]\n    run: [sh, -c, 'test $1 != 2 || kill -SEGV $$', sh, '${ .n }']\n";
    let stage = Stage::with(nodes, (1..=3).map(|n| format!(r#"{{"n":{n}}}"#)));
    stage.run(&ONCE).expect(1);
    let again = |args: &[&str]| {
        let done = stage.batchmill(&[&["retry", "b", "--max-attempts", "1"], args].concat()).expect(1);
        field(&done.results(), "job_id").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(again(&["--node", "early"]), ["1"]);
    assert_eq!(again(&["--error-class", "crash,timeout"]), ["2"]);
    assert_eq!(again(&["--failed", "--node", "late"]), ["2"]);
    stage.batchmill(&["retry", "b", "--status", "succeeded"]).expect(0);
    stage.batchmill(&["retry", "b", "--status", "failed", "--error-class", "timeout"]).expect(0).says("No job");
    stage.batchmill(&["retry", "b"]).expect(2).says("--failed").says("--node <NODE>");
    stage.batchmill(&["retry", "b", "--failed", "--status", "failed"]).expect(2);
    stage.batchmill(&["retry", "b", "--failed", "--accept-changes"]).expect(2).says("flow and config are read anew");
    stage.batchmill(&["retry", "b", "--failed", "--durability", "none"]).expect(2).says("--durability must be");
}

#[test]
fn jobs_from_a_pipe_and_a_mended_flow() {
    let stage = Stage::new();
    stage.write("flow.yaml", "version: 1\nname: f\nnodes:\n  node: {run: ['false']}\n");
    stage.run_with_stdin(&["--max-attempts", "1", "--batch", "piped"], "{\"n\":1}\n\n{\"n\":3}\n").expect(1);
    stage.write("flow.yaml", "version: 1\nname: f\nnodes:\n  node: {run: [echo, '${ .n }']}\noutput: '{out: .n}'\n");
    let done = stage.batchmill(&["retry", "piped", "--failed"]).expect(0);
    let mut outputs: Vec<_> =
        done.results().iter().map(|r| (r["job_id"].clone(), r["output"]["out"].clone())).collect();
    outputs.sort_by_key(|(id, _)| id.to_string());
    assert_eq!(outputs, [("1".into(), 1.into()), ("3".into(), 3.into())]);
}

#[test]
fn a_line_that_changed_since_is_not_what_failed() {
    let stage = breakable();
    stage.run(&ONCE).expect(1);
    let jobs = stage.read("jobs.jsonl");
    stage.write("jobs.jsonl", jobs.replace("\"n\":2", "\"n\":7"));
    let done = stage.batchmill(&["retry", "b", "--failed"]).expect(65);
    done.says("jobs.jsonl:2: the line changed after the batch was accepted");
    assert_eq!(stage.batchmill(&["status"]).expect(0).stdout.lines().count(), 2, "no batch was made");
}

#[test]
fn a_retry_that_was_interrupted_goes_on() {
    let nodes =
        "  node:\n    run: [sh, -c, 'test -e waits || exit 1; touch started.$1; read line < gate', sh, '${ .n }']\n";
    let stage = Stage::with(nodes, (1..=3).map(|n| format!(r#"{{"n":{n}}}"#)));
    stage.run(&ONCE).expect(1);
    stage.make_gate();
    stage.write("waits", "");
    let args = ["retry", "b", "--failed", "--concurrency", "1", "--quiet"];
    let mut retry = stage.command(&args).spawn().unwrap();
    wait_until("the first job", || stage.count("started.") == 1);
    stage.batchmill(&["retry", "b", "--failed"]).expect(65).says("batch b.r1 has not ended: `batchmill resume b.r1`");
    stage.batchmill(&["drain", "b.r1"]).expect(0);
    let _gate = stage.open_gate(3);
    assert_eq!(retry.wait().unwrap().code(), Some(75));
    let done = stage.batchmill(&["resume", "b.r1"]).expect(0);
    assert_eq!(done.results().len(), 3);
    assert_eq!(
        results(&stage, &["b"]),
        told(&[("1", "b.r1", "succeeded"), ("2", "b.r1", "succeeded"), ("3", "b.r1", "succeeded")])
    );
}

#[test]
fn what_has_not_ended_is_resumed_first() {
    let nodes = "  node:\n    run: [sh, -c, 'touch started.$1; read line < gate', sh, '${ .n }']\n";
    let stage = Stage::with(nodes, ["{\"n\":1}"]);
    stage.make_gate();
    let running = stage.start(&["--batch", "b"]);
    wait_until("the job", || stage.count("started.") == 1);
    stage.batchmill(&["retry", "b", "--failed"]).expect(65).says("batch b has not ended");
    running.signal("KILL");
    drop(running);
    stage.batchmill(&["retry", "b", "--failed"]).expect(65).says("`batchmill resume b` goes on with it");
    stage.batchmill(&["retry", "c", "--failed"]).expect(65).says("there is no batch `c`");
}

#[test]
fn jobs_that_failed_alike_run_again_by_the_id_of_their_group() {
    let stage = Stage::with("  node:\n    run: [sh, fail.sh, '${ .n }']\n", (1..=9).map(|n| format!(r#"{{"n":{n}}}"#)));
    let script = "test -e mended && exit\n[ $(($1 % 3)) = 0 ] && what=gone || what=busy\necho \"job $1 of \\\"$1.txt\\\": 50$1 $what\" >&2\nexit 1\n";
    stage.write("fail.sh", script);
    stage.run(&["--max-attempts", "2", "--batch", "b", "--set", "retry.options.delay=1ms"]).expect(1);
    let groups = || -> Vec<Value> {
        serde_json::from_str(&stage.batchmill(&["errors", "b", "-o", "json"]).expect(0).stdout).unwrap()
    };
    let found = groups();
    assert_eq!(found.iter().map(|group| group["jobs"].clone()).collect::<Vec<_>>(), [6, 3], "{found:?}");
    let message = found[1]["message"].as_str().unwrap();
    assert!(message.ends_with("job # of \"…\": # gone"), "{message}");
    let gone = found[1]["group"].as_str().unwrap();

    let letters = stage.batchmill(&["results", "b", "--group", gone]).expect(0).results();
    let mut ids = field(&letters, "job_id");
    ids.sort_unstable();
    assert_eq!(ids, ["3", "6", "9"]);
    for letter in &letters {
        assert_eq!(letter["error"]["history"].as_array().map(Vec::len), Some(2), "the whole history: {letter}");
    }

    stage
        .batchmill(&["retry", "b", "--group", "0123456789"])
        .expect(65)
        .says("no failed job of batch b is in group 0123456789");
    stage
        .batchmill(&["results", "b", "--group", "0123456789"])
        .expect(65)
        .says("`batchmill errors b` lists the groups");
    stage.batchmill(&["retry", "b", "--group", "gone"]).expect(2).says("ten hexadecimal digits");
    stage.write("mended", "");
    let again = stage.batchmill(&["retry", "b", "--group", gone]).expect(0).results();
    let mut ids = field(&again, "job_id");
    ids.sort_unstable();
    assert_eq!(ids, ["3", "6", "9"]);
    let left = groups();
    assert_eq!(
        (left.len(), &left[0]["jobs"], &left[0]["group"]),
        (1, &6.into(), &found[0]["group"]),
        "of the others none"
    );
    stage.batchmill(&["retry", "b", "--group", gone]).expect(65);
}
