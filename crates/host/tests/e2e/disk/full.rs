//! A store without room: the batch pauses, says why, and goes on by itself.

use std::process::Command;

use super::{at_a_gate_with_much_to_say, batch_folder, each_has_a_result, each_once, small::SmallDisk, started};
use crate::stage::{Running, Stage, wait_until};

#[test]
fn a_full_disk_pauses_a_batch_and_room_lets_it_go_on() {
    let stage = at_a_gate_with_much_to_say(6);
    let Some(disk) = SmallDisk::mount(&stage, "a full disk") else { return };
    let args = ["run", "flow.yaml", "jobs.jsonl", "--state", "small/state", "--concurrency", "2"];
    let running = stage.watch(disk.command(&args));
    let fill = || disk.fill();
    goes_on_by_itself(&stage, running, fill, || disk.empty(), "no space left on device");
}

#[test]
fn a_limit_on_the_size_of_files_pauses_a_batch_and_a_higher_one_lets_it_go_on() {
    let stage = at_a_gate_with_much_to_say(6);
    let running = stage.start(&["--concurrency", "2"]);
    let pid = running.pid().to_string();
    let limit = |bytes: &str| {
        let limited = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:")]).status();
        assert!(limited.expect("prlimit runs").success());
    };
    // Not a byte more than there is.
    let fill = || {
        let log = batch_folder(".batchmill", &stage).join("batch.db-wal");
        limit(&std::fs::metadata(log).expect("the log of the database").len().to_string());
    };
    goes_on_by_itself(&stage, running, fill, || limit("unlimited"), "RLIMIT_FSIZE) is reached");
}

#[test]
fn a_person_may_end_a_batch_that_waits_for_room() {
    let stage = at_a_gate_with_much_to_say(4);
    let Some(disk) = SmallDisk::mount(&stage, "an interrupt on a full disk") else { return };
    let args = ["run", "flow.yaml", "jobs.jsonl", "--state", "small/state", "--concurrency", "2"];
    let running = stage.watch(disk.command(&args));
    wait_until("two started jobs", || started(&stage) == 2);
    disk.fill();
    let _gate = stage.open_gate(8);
    running.wait_for("no space left on device");
    running.signal("INT");
    running.wait_for("Draining");
    running.signal("INT");
    let ended = running.end().expect(74).says("Results could not be stored");
    assert_eq!(ended.stdout, "", "nothing could be recorded");
    disk.empty();
    // What had ended, but was not recorded, runs again.
    let done = stage.watch(disk.command(&args)).end().expect(0);
    each_has_a_result(&done.results(), 4);
}

/// Two jobs run when the room is taken away, and end then.
fn goes_on_by_itself(stage: &Stage, running: Running<'_>, fill: impl Fn(), empty: impl Fn(), why: &str) {
    wait_until("two started jobs", || started(stage) == 2);
    fill();
    let gate = stage.open_gate(2);
    running.wait_for("Paused");
    running.wait_for(why);
    // Slots were free before the pause: at most two more have started, and wait.
    assert!(started(stage) <= 4, "{}", stage.read("ledger"));
    empty();
    running.wait_for("The batch goes on.");
    let _gate = (gate, stage.open_gate(4));
    let done = running.end().expect(0);
    each_once(stage, &done.results(), 6);
}
