//! Results that find no room, while the store has some: the batch goes on, and delivery catches up.

use serde_json::Value;

use super::{at_a_gate, each_once, small::SmallDisk, started};
use crate::stage::{records, wait_until};

const ARGS: [&str; 5] = ["run", "flow.yaml", "jobs.jsonl", "--output", "small/results.jsonl"];

#[test]
fn an_output_without_room_holds_up_nothing_and_gets_everything_when_there_is_room() {
    let stage = at_a_gate(3);
    let Some(disk) = SmallDisk::mount(&stage, "an output without room") else { return };
    let running = stage.watch(disk.command(&ARGS));
    wait_until("a started job", || started(&stage) > 0);
    disk.fill();
    let _gate = stage.open_gate(3);
    running.wait_for("results.jsonl");
    running.wait_for("o space left on device");
    wait_until("the start of all jobs", || started(&stage) == 3);
    // A batch whose jobs have all ended says what it waits for.
    let standing = stage.batchmill(&["status", "last", "-o", "json"]).expect(0);
    let standing: Value = serde_json::from_str(&standing.stdout).unwrap();
    assert_eq!(standing["live"]["stuck_sink"]["sink"], "output", "{standing:#}");
    let text = stage.batchmill(&["status", "last"]).expect(0).stdout;
    assert!(text.contains("sink `output` takes nothing: small/results.jsonl: "), "{text}");
    disk.empty();
    running.end().expect(0).says("3 succeeded");
    let results = std::fs::read_to_string(disk.path("results.jsonl")).unwrap();
    each_once(&stage, &records(&results), 3);
}

#[test]
fn what_an_output_has_not_got_when_a_person_gives_up_it_gets_on_resume() {
    let stage = at_a_gate(3);
    let Some(disk) = SmallDisk::mount(&stage, "an output that is given up") else { return };
    let running = stage.watch(disk.command(&ARGS));
    wait_until("a started job", || started(&stage) > 0);
    disk.fill();
    let _gate = stage.open_gate(3);
    wait_until("the start of all jobs", || started(&stage) == 3);
    running.wait_for("o space left on device");
    running.signal("INT");
    running.end().expect(75);
    disk.empty();
    let done = stage.watch(disk.command(&ARGS)).end().expect(0);
    assert_eq!(done.stdout, "");
    let results = std::fs::read_to_string(disk.path("results.jsonl")).unwrap();
    each_once(&stage, &records(&results), 3);
}
