//! The folder of a batch that is taken away, or may not be written to any more, while the batch runs.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use super::{at_a_gate, batch_folder, each_once, started};
use crate::stage::{Done, Running, Stage, skipped, wait_until};

#[test]
fn a_batch_whose_folder_is_removed_stops_and_says_so() {
    let stage = at_a_gate(4);
    let running = two_run(&stage);
    fs::remove_dir_all(batch_folder(".batchmill", &stage)).unwrap();
    stopped(running).says("was removed while the batch ran");
    assert_eq!(started(&stage), 2, "nothing has started since");
}

#[test]
fn a_batch_whose_state_directory_is_moved_away_stops_and_goes_on_when_it_is_back() {
    let stage = at_a_gate(4);
    let running = two_run(&stage);
    fs::rename(stage.path(".batchmill"), stage.path("away")).unwrap();
    stopped(running).says("was removed while the batch ran");
    fs::rename(stage.path("away"), stage.path(".batchmill")).unwrap();
    goes_on(&stage);
}

#[test]
fn a_batch_whose_database_is_replaced_stops_and_leaves_the_new_file_alone() {
    let stage = at_a_gate(4);
    let running = two_run(&stage);
    let database = batch_folder(".batchmill", &stage).join("batch.db");
    fs::write(stage.path("other"), "not ours").unwrap();
    fs::rename(stage.path("other"), &database).unwrap();
    stopped(running).says("was replaced by another file while the batch ran");
    assert_eq!(fs::read_to_string(database).unwrap(), "not ours");
}

#[test]
fn a_batch_whose_folder_becomes_read_only_stops_and_goes_on_when_it_is_writable() {
    let stage = at_a_gate(4);
    let running = two_run(&stage);
    let folder = batch_folder(".batchmill", &stage);
    let permit = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
    permit(0o555);
    let done = stopped(running).says("has become read-only");
    permit(0o755);
    assert_eq!(done.stdout, "", "nothing had ended");
    goes_on(&stage);
}

#[test]
fn a_batch_whose_folder_becomes_immutable_stops_and_goes_on_when_it_is_not() {
    let stage = at_a_gate(4);
    let running = two_run(&stage);
    let folder = batch_folder(".batchmill", &stage);
    let set = |flag| Command::new("chattr").arg(flag).arg(&folder).status().is_ok_and(|status| status.success());
    if !set("+i") {
        return skipped("an immutable folder", "unavailable: nobody may make a folder immutable here");
    }
    let done = running.end();
    assert!(set("-i"), "otherwise nobody can remove it");
    done.expect(74).says("has become read-only");
    goes_on(&stage);
}

/// Four jobs, of which two run and wait.
fn two_run(stage: &Stage) -> Running<'_> {
    let running = stage.start(&["--concurrency", "2"]);
    wait_until("two started jobs", || started(stage) == 2);
    running
}

/// It does not wait for the gate, which stays shut.
fn stopped(running: Running<'_>) -> Done {
    running.end().expect(74)
}

/// What ran when the host stopped runs again, everything else once.
fn goes_on(stage: &Stage) {
    stage.write("ledger", "");
    let _gate = stage.open_gate(4);
    let done = stage.run(&[]).expect(0);
    each_once(stage, &done.results(), 4);
}
