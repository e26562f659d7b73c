//! Trouble with the disk: no room, no permission, errors, folders that are gone. Nothing is lost, nothing is told that is not
//! true.

mod broken;
mod full;
mod gone;
mod output;
mod small;
mod spool;

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::Value;

use crate::stage::{Stage, field};

/// Jobs that write their number down, then wait at a gate. Their ids are their numbers.
fn at_a_gate(jobs: usize) -> Stage {
    gated(jobs, "true", "")
}

/// The same, with results of 80 kB each: more than the store has room for in the log that it has.
fn at_a_gate_with_much_to_say(jobs: usize) -> Stage {
    gated(jobs, r#"head -c 80000 /dev/zero | tr "\0" x"#, "    output: '{text: .stdout}'\n")
}

fn gated(jobs: usize, then: &str, output: &str) -> Stage {
    let node =
        format!("  node:\n    run: [sh, -c, 'echo $1 >> ledger; read line < gate; {then}', sh, '${{ .n }}']\n{output}");
    let stage = Stage::with(&node, (1..=jobs).map(|n| format!(r#"{{"n":{n}}}"#)));
    stage.make_gate();
    stage.write("ledger", "");
    stage
}

/// How many jobs have started so far, each as often as it did.
fn started(stage: &Stage) -> usize {
    stage.read("ledger").lines().count()
}

/// The folder of the only batch in a state directory.
fn batch_folder(state: &str, stage: &Stage) -> PathBuf {
    let mut folders = std::fs::read_dir(stage.path(state).join("batches")).expect("the state directory").flatten();
    let folder = folders.next().expect("a batch").path();
    assert!(folders.next().is_none(), "more than one batch");
    folder
}

/// Fails the test unless every job has started once and has one result, a success.
#[track_caller]
fn each_once(stage: &Stage, results: &[Value], jobs: usize) {
    assert_eq!(field(results, "status"), vec!["succeeded"; jobs]);
    each_has_a_result(results, jobs);
    for (job, starts) in starts(stage) {
        assert_eq!(starts, 1, "job {job}");
    }
    assert_eq!(started(stage), jobs);
}

/// Fails the test unless there is exactly one result of every job.
#[track_caller]
fn each_has_a_result(results: &[Value], jobs: usize) {
    let mut numbers: Vec<usize> = field(results, "job_id").iter().map(|id| id.parse().expect("a number")).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=jobs).collect::<Vec<_>>());
}

/// How often each job has started.
fn starts(stage: &Stage) -> BTreeMap<String, usize> {
    let mut starts = BTreeMap::new();
    for job in stage.read("ledger").lines() {
        *starts.entry(job.to_owned()).or_default() += 1;
    }
    starts
}
