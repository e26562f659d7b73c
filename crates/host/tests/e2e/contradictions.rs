//! What of command line, config and flow contradicts something else: refused before anything runs, both named.

use crate::stage::Stage;

/// Arguments, the exit code, and what is said: the place and one key, and the other.
const ROWS: [(&[&str], i32, [&str; 2]); 11] = [
    (
        &["--deadline", "1m", "--set", "resources.reserve_after=10m"],
        78,
        ["--set resources.reserve_after=…: resources.reserve_after: 10m 0s is above", "`--deadline`, 1m 0s"],
    ),
    // As its default, and given.
    (
        &["--deadline", "1m", "--set", "resources.reserve_after=5m"],
        78,
        ["--set resources.reserve_after=…: resources.reserve_after: 5m 0s is above", "`--deadline`, 1m 0s"],
    ),
    (
        &["--deadline", "1m", "--config", "patient.toml"],
        78,
        ["patient.toml:2:17: resources.reserve_after: 5m 0s is above", "`--deadline`, 1m 0s"],
    ),
    (
        &["--deadline", "1h", "--set", "executor.queue_timeout=2h"],
        78,
        ["--set executor.queue_timeout=…: executor.queue_timeout: 2h is not less than", "`--deadline`, 1h 0m"],
    ),
    (
        &["--set", "executor.memory_limit=1GiB"],
        78,
        [
            "--set executor.memory_limit=…: executor.memory_limit: 1 GiB, and",
            "`cost.memory` of the flow asks for up to 2 GiB",
        ],
    ),
    (
        &["--set", "governor.kind=adaptive", "--set", "governor.options.max=4"],
        78,
        [
            "--set governor.kind=…: governor.kind: `executor.concurrency` is 10 here, above",
            "4: change one of the two, `executor",
        ],
    ),
    (
        &["--concurrency", "1", "--set", "governor.kind=adaptive", "--set", "governor.options.min=2"],
        78,
        [
            "--concurrency: executor.concurrency: `executor.concurrency` is 1 here, below the least",
            "or `governor.options`",
        ],
    ),
    (
        &["--timeout", "10m", "--set", "executor.job_timeout=1m"],
        78,
        [
            "--set executor.job_timeout=…: executor.job_timeout: 1m for all attempts",
            "`executor.timeout` allows one of them, 10m (--timeout)",
        ],
    ),
    (
        &["--set", "executor.drain_timeout=1m"],
        78,
        [
            "--set executor.drain_timeout=…: executor.drain_timeout: ",
            "does not fit into `executor.shutdown_timeout` of 28s",
        ],
    ),
    (
        &["--set", "limits=[{key = \"{a: .tenant}\", concurrency = 1}]"],
        78,
        ["--set limits=…: limits.0.key: must be text", "found an object"],
    ),
    // What a key is may depend on the job: then its line is told.
    (
        &["--set", "limits=[{key = \".input.group\", concurrency = 1}]"],
        65,
        ["jobs.jsonl:2: ", "the key of the limit `input.group`: must be text"],
    ),
];

#[test]
fn each_names_both_of_its_sides_with_a_place() {
    let jobs = [r#"{"input":{"group":"a"}}"#, r#"{"input":{"group":{"a":1}}}"#];
    let stage = Stage::with("  node:\n    run: ['true']\n    cost: {memory: 2GiB}\n", jobs);
    stage.write("patient.toml", "[resources]\nreserve_after = \"5m\"\n");
    for (args, exit, said) in ROWS {
        let done = stage.run(args).expect(exit);
        for words in said {
            assert!(done.stderr.contains(words), "{args:?}: {}", done.stderr);
        }
    }
}

#[test]
fn what_nobody_wrote_contradicts_nothing() {
    let stage = Stage::with("  node:\n    set: '{}'\n", ["{}"]);
    stage.run(&["--deadline", "1m"]).expect(0);
}

/// All jobs are read before the first starts, from a pipe too: so a percentage of all jobs never lacks its total.
#[test]
fn a_percentage_of_jobs_that_come_by_a_pipe_knows_their_number() {
    let stage = Stage::with("  node:\n    run: ['false']\n", ["{}"]);
    let args = ["-", "--halt", "soon,fail=50%", "--concurrency", "1", "--max-attempts", "1"];
    let done = stage.run_with_stdin(&args, &"{}\n".repeat(10)).expect(3);
    assert_eq!(done.results().iter().filter(|result| result["status"] == "failed").count(), 5);
}

#[test]
fn a_node_that_may_be_silent_for_longer_than_it_may_take_is_one() {
    let stage = Stage::with("  node:\n    set: '{}'\n", ["{}"]);
    stage.run(&["--timeout", "90%"]).expect(2).says("executor.timeout: a percentage of the median must be from 101%");
    let flow = "version: 1\nname: x\nnodes:\n  a: {run: [echo], timeout: 10s, idle_timeout: 1m}\n";
    stage.write("flow.yaml", flow);
    stage.run(&[]).expect(65).says("nodes.a.idle_timeout: ").says("is not less than the `timeout` of the node");
}
