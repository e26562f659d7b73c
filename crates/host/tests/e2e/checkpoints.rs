//! Checkpoints that another store keeps than the batch's own.

use std::{fs, process::Command};

use crate::{
    postgres_server::Server,
    stage::{Stage, skipped, wait_until},
};

/// The second node waits at the gate, behind the checkpoint that follows the first.
const TWO_STEPS: &str = r#"  first:
    run: [sh, -c, 'echo "$1" >> first; echo "$1"', sh, "${ .n }"]
    output: '{seen: (.stdout | rtrimstr("\n"))}'
  second:
    needs: [first]
    run: [sh, -c, 'echo "$1" >> second; read go < gate; echo "$2"', sh, "${ .n }", "${ .seen }"]
    output: '{told: (.stdout | rtrimstr("\n"))}'
"#;

/// What `psql` says, one row a line.
fn ask(server: &Server, sql: &str) -> String {
    let asked = Command::new("psql").args([&server.url("tester", "postgres"), "-tAqc", sql]).output();
    let asked = asked.expect("psql comes with the server");
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    String::from_utf8(asked.stdout).expect("it writes UTF-8").trim().to_owned()
}

#[test]
fn a_killed_batch_goes_on_from_its_checkpoints_in_postgres() {
    let what = "a killed batch that goes on from its checkpoints in PostgreSQL";
    if !cfg!(feature = "postgres") {
        return skipped(what, "the program was built without the feature `postgres`");
    }
    let Some(server) = Server::start(what) else { return };
    let stage = Stage::new();
    stage.write("flow.yaml", format!("version: 1\nname: test\ncheckpoint: step_sync\nnodes:\n{TWO_STEPS}"));
    stage.write("jobs.jsonl", "{\"n\": 1}\n{\"n\": 2}\n{\"n\": 3}\n");
    stage.make_gate();
    let url = server.folder().join("url");
    fs::write(&url, server.url("tester", "postgres")).unwrap();
    let options = format!("options = {{ url = {{ file = \"{}\" }} }}\n", url.display());
    stage.write("batchmill.toml", format!("[checkpoints]\nkind = \"postgres\"\n{options}"));

    let running = stage.start(&["-j", "3"]);
    let begun = || fs::read_to_string(stage.path("second")).unwrap_or_default().lines().count();
    wait_until("the second step of each", || begun() == 3);
    running.signal("KILL");
    assert_eq!(running.end().code, None);
    let kept = "SELECT count(*), count(DISTINCT thread), min(step), max(next::text) FROM batchmill.checkpoint";
    assert_eq!(ask(&server, kept), r#"3|3|1|["second"]"#, "each job stands before its second step");

    let resumed = stage.watch(stage.command(&["resume", "-j", "3"]));
    wait_until("the second step of each, again", || begun() == 6);
    let gate = stage.open_gate(3);
    let done = resumed.end().expect(0).says("3 jobs ran when the host was lost");
    drop(gate);
    assert_eq!(stage.read("first").lines().count(), 3, "the first step of no job ran again");
    let mut told: Vec<_> = done.results().iter().map(|result| result["output"]["told"].clone()).collect();
    told.sort_by_key(ToString::to_string);
    assert_eq!(told, ["1", "2", "3"], "what the first step had found was kept");
    assert_eq!(
        ask(&server, "SELECT count(*) FROM batchmill.checkpoint"),
        "0",
        "of jobs that have ended nothing is left"
    );
}
