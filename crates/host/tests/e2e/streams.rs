//! What goes where: results to stdout or a file, everything else to stderr.

use crate::stage::{Stage, records};

const SET: &str = "  node:\n    set: '{done: true}'\n";

fn jobs(count: u32) -> Stage {
    Stage::with(SET, (0..count).map(|n| format!(r#"{{"n":{n}}}"#)))
}

#[test]
fn stdout_carries_results_only() {
    let done = jobs(20).run(&["-v", "--progress", "plain"]).expect(0);
    assert_eq!(done.results().len(), 20);
    assert!(done.stderr.contains("the batch runs"), "logs are on stderr: {}", done.stderr);
}

#[test]
fn a_reader_that_goes_ends_the_batch_quietly() {
    // More than a pipe holds.
    let stage = jobs(5000);
    let mut running = stage.start(&["--concurrency", "2"]);
    assert!(running.first_line_then_close().contains("\"succeeded\""));
    let done = running.end().expect(75);
    assert_eq!(done.stderr, "");
}

#[test]
fn results_go_to_a_file() {
    let stage = jobs(20);
    let done = stage.run(&["--output", "out.jsonl"]).expect(0).says("Results: out.jsonl");
    assert_eq!(done.stdout, "");
    assert_eq!(records(&stage.read("out.jsonl")).len(), 20);
}

#[test]
fn an_output_with_content_is_only_replaced_when_asked() {
    let stage = jobs(3);
    stage.write("out.jsonl", "old\n");
    stage.run(&["--output", "out.jsonl"]).expect(65).says("--overwrite");
    assert_eq!(stage.read("out.jsonl"), "old\n");
    stage.run(&["--output", "out.jsonl", "--overwrite"]).expect(0);
    assert_eq!(records(&stage.read("out.jsonl")).len(), 3);
}

#[test]
fn sinks_of_the_config_get_every_result_too() {
    let stage = jobs(20);
    stage.write("batchmill.toml", "[[sinks]]\nkind = \"jsonl\"\noptions = { path = \"copy.jsonl\" }\n");
    let done = stage.run(&[]).expect(0);
    assert_eq!(done.stdout, stage.read("copy.jsonl"));
}

#[test]
fn flags_have_environment_variables() {
    let stage = jobs(3);
    stage.write("out.jsonl", "old");
    let mut command = stage.command(&["run", "flow.yaml", "jobs.jsonl"]);
    command.env("BATCHMILL_OVERWRITE", "1").env("BATCHMILL_QUIET", "no").env("BATCHMILL_INPUT_IS_LINE", "");
    let output = command.env("BATCHMILL_OUTPUT", "out.jsonl").env("BATCHMILL_PROGRESS", "json").output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty());
    assert_eq!(records(&stage.read("out.jsonl")).len(), 3);
    assert!(String::from_utf8(output.stderr).unwrap().contains("{\"type\":\"progress\""));
}

#[test]
fn logs_are_json_when_asked() {
    let done = jobs(1).run(&["-v", "--log-format", "json", "--progress", "none"]).expect(0);
    let logged = done.stderr.lines().find(|line| line.contains("the batch runs")).expect("a log line");
    let line: serde_json::Value = serde_json::from_str(logged).unwrap();
    assert_eq!((&line["level"], &line["jobs"]), (&"INFO".into(), &1.into()));
}

#[test]
fn a_folder_that_is_not_there_is_a_failure_of_storage() {
    let stage = jobs(3);
    let mut command = stage.command(&["run", "flow.yaml", "jobs.jsonl", "--output", "/nowhere/out.jsonl"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(74));
    assert!(String::from_utf8(output.stderr).unwrap().contains("there is no folder /nowhere"));
}

#[test]
fn a_device_that_is_full_is_a_failure_of_storage() {
    let stage = jobs(3);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = stage.command(&["run", "flow.yaml", "jobs.jsonl"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(74));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("Results could not be stored: stdout: No space left on device"), "{stderr}");
    stage.run(&["--output", "/dev/full"]).expect(74).says("/dev/full: No space left on device");
}

#[test]
fn results_do_not_go_into_the_file_that_is_read() {
    let stage = jobs(3);
    let before = stage.read("jobs.jsonl");
    let appended = std::fs::OpenOptions::new().append(true).open(stage.path("jobs.jsonl")).unwrap();
    let output = stage.command(&["run", "flow.yaml", "jobs.jsonl"]).stdout(appended).output().unwrap();
    assert_eq!(output.status.code(), Some(65));
    assert!(String::from_utf8(output.stderr).unwrap().contains("stdout is the same file as the jobs"));
    assert_eq!(stage.read("jobs.jsonl"), before);
}

#[test]
fn few_descriptors_lower_concurrency_and_fail_no_job() {
    let stage = Stage::with("  node:\n    run: ['true']\n", (0..300).map(|_| "{}"));
    let batchmill = env!("CARGO_BIN_EXE_batchmill");
    let script = format!("ulimit -n 100; exec {batchmill} run flow.yaml jobs.jsonl --concurrency 200");
    let mut command = stage.shell(&script);
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("concurrency is lowered") && stderr.contains("allowed=12"), "{stderr}");
    assert!(stderr.contains("300 succeeded") && !stderr.contains("retries"), "{stderr}");
}

/// On a terminal: `script` gives the program one.
#[test]
fn on_a_terminal_there_is_a_bar_and_results_go_to_the_state_directory() {
    let stage = jobs(3);
    let batchmill = env!("CARGO_BIN_EXE_batchmill");
    let output = stage
        .shell(&format!("script -qec '{batchmill} run flow.yaml jobs.jsonl' typescript"))
        .env("TERM", "xterm")
        .output()
        .unwrap();
    let seen = String::from_utf8(output.stdout).unwrap();
    assert!(seen.contains("/3") && seen.contains("running"), "no bar: {seen}");
    assert!(seen.contains("\u{1b}[1mResults:\u{1b}[0m .batchmill/batches/test-"), "{seen}");
    let plain = stage
        .shell(&format!("script -qec '{batchmill} run flow.yaml jobs.jsonl --color never --state other' typescript"));
    let seen = { plain }.env("TERM", "xterm").output().unwrap().stdout;
    let seen = String::from_utf8(seen).unwrap();
    assert!(seen.contains("/3") && !seen.contains("\u{1b}[36m") && !seen.contains("\u{1b}[1m"), "no colour: {seen}");
    let batches: Vec<_> = std::fs::read_dir(stage.path(".batchmill/batches")).unwrap().flatten().collect();
    assert_eq!(batches.len(), 1);
    let results = std::fs::read_to_string(batches[0].path().join("results.jsonl")).unwrap();
    assert_eq!(records(&results).len(), 3);
}

#[test]
fn a_stderr_that_nobody_reads_costs_nothing() {
    let stage = jobs(20);
    let mut child = stage.command(&["run", "flow.yaml", "jobs.jsonl", "-vvv", "--progress", "json"]).spawn().unwrap();
    drop(child.stderr.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(records(&String::from_utf8(output.stdout).unwrap()).len(), 20);
}
