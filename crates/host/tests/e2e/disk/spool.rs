//! Jobs that have to be copied into the state directory, and no room for them.

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

use super::small::SmallDisk;
use crate::stage::{Done, Stage};

/// A stage whose jobs leave a file each.
fn touching() -> Stage {
    Stage::with("  node: {run: [touch, 'ran-${ .n }']}\n", [""; 0])
}

/// So many jobs, a thousand bytes each.
fn lines(jobs: u32) -> String {
    (1..=jobs).map(|n| format!("{{\"n\":{n},\"text\":\"{}\"}}\n", "x".repeat(1000))).collect()
}

/// Runs what comes from stdin.
fn run_with_stdin(disk: &SmallDisk<'_>, stdin: String) -> Done {
    fed(disk.command(&["run", "flow.yaml", "-", "--state", "small/state"]), stdin)
}

fn fed(mut command: Command, stdin: String) -> Done {
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // It may end before it has read everything.
    let writer = std::thread::spawn(move || drop(input.write_all(stdin.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Done { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[test]
fn jobs_that_find_no_room_are_refused_as_a_whole_and_leave_nothing() {
    let stage = touching();
    let Some(disk) = SmallDisk::mount(&stage, "spooling onto a full disk") else { return };
    // More than the disk has.
    let done = run_with_stdin(&disk, lines(20_000)).expect(74);
    assert!(done.stderr.to_lowercase().contains("no space left on device"), "{}", done.stderr);
    assert_eq!((stage.count("ran-"), done.stdout.as_str()), (0, ""));
    let left = fs::read_dir(disk.path("state/batches")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "a batch was accepted, or remains of one were left");
    run_with_stdin(&disk, lines(3)).expect(0).says("3 succeeded");
    assert_eq!(stage.count("ran-"), 3);
}

#[test]
fn a_batch_is_not_accepted_where_there_is_no_room_for_its_database() {
    let stage = touching();
    let Some(disk) = SmallDisk::mount(&stage, "accepting on a full disk") else { return };
    disk.fill();
    let jobs = || "{\"n\":1}\n{\"n\":2}\n".to_owned();
    let done = run_with_stdin(&disk, jobs()).expect(74);
    assert!(done.stderr.to_lowercase().contains("no space left on device"), "{}", done.stderr);
    assert_eq!(stage.count("ran-"), 0);
    disk.empty();
    run_with_stdin(&disk, jobs()).expect(0).says("2 succeeded");
    assert_eq!(stage.count("ran-"), 2);
}

#[test]
fn jobs_that_are_more_than_a_file_may_hold_are_refused_as_a_whole() {
    let stage = touching();
    let run = ["--fsize=1000000", env!("CARGO_BIN_EXE_batchmill"), "run", "flow.yaml", "-"];
    let done = fed(stage.prepared("prlimit", &run), lines(2000)).expect(74);
    assert!(done.stderr.contains("File too large"), "{}", done.stderr);
    assert_eq!((stage.count("ran-"), done.stdout.as_str()), (0, ""));
    fed(stage.prepared("prlimit", &run), lines(3)).expect(0).says("3 succeeded");
}
