//! `each`: one command a job.

use std::fs;

use serde_json::json;

use crate::stage::{Done, Stage, field};

impl Stage {
    /// Runs `batchmill each jobs.jsonl ARGS`.
    fn each(&self, args: &[&str]) -> Done {
        self.batchmill(&[&["each", "jobs.jsonl"], args].concat())
    }
}

fn stage() -> Stage {
    let stage = Stage::new();
    stage.write("jobs.jsonl", "{\"n\":1,\"name\":\"a b\"}\n{\"n\":2,\"name\":\"$HOME\"}\n");
    stage
}

#[test]
fn each_runs_one_process_a_job_and_no_shell_sees_its_arguments() {
    let done = stage().each(&["--concurrency", "1", "--", "printf", "%s|%s", "${ .name }", "n=${ .n + 1 }"]).expect(0);
    let outputs: Vec<_> = done.results().into_iter().map(|result| result["output"].clone()).collect();
    let output = |stdout: &str| json!({"stdout": stdout, "stderr": "", "exit_code": 0});
    assert_eq!(outputs, [output("a b|n=2"), output("$HOME|n=3")]);
    let batch = done.results()[0]["batch"].as_str().unwrap().to_owned();
    assert!(batch.starts_with("printf-"), "a batch is named after its program: {batch}");
    done.says("2 jobs in").says("2 succeeded");
}

#[test]
fn each_reads_jobs_from_stdin_and_leaves_stdin_of_commands_empty() {
    let stage = Stage::new();
    let script = "printf '{\"n\":%s}\\n' 1 2 | $BATCHMILL each - -- sh -c 'cat; echo $1' sh '${ .n }'";
    let done = stage.shell(script).env("BATCHMILL", env!("CARGO_BIN_EXE_batchmill")).output().unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    let mut outputs: Vec<_> =
        crate::stage::records(&text).iter().map(|result| result["output"]["stdout"].to_string()).collect();
    outputs.sort();
    assert_eq!(outputs, [r#""1\n""#, r#""2\n""#]);
}

#[test]
fn each_hands_its_environment_on_and_what_the_job_is() {
    let stage = stage();
    let script = "echo $MINE $BATCHMILL_JOB_ID $BATCHMILL_ATTEMPT";
    let mut command = stage.command(&["each", "jobs.jsonl", "--concurrency", "1", "--", "sh", "-c", script]);
    let done = command.env("MINE", "yes").output().unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    assert!(text.contains("yes 1 1") && text.contains("yes 2 1"), "{text}");
}

#[test]
fn each_has_the_policies_of_run() {
    let stage = stage();
    let args = ["--max-attempts", "2", "--halt", "never", "--exit-code", "count", "--output", "results.jsonl"];
    let done = stage.each(&[&args[..], &["--", "sh", "-c", "echo no >&2; exit 3"]].concat()).expect(2);
    done.says("2 failed, 2 retries").says("2 × transient at `run`").says("exited with status 3: no");
    let results = crate::stage::records(&stage.read("results.jsonl"));
    assert_eq!(field(&results, "status"), ["failed", "failed"]);
    stage.each(&["--", "true"]).expect(0).says("no argument has a `${ … }` in it: every job runs the same command");
}

#[test]
fn a_command_that_writes_too_much_is_an_error_of_its_job() {
    let done =
        stage().each(&["--output-limit", "1KiB", "--max-attempts", "1", "--", "head", "-c", "2000", "/dev/zero"]);
    let results = done.results();
    assert_eq!(results[0]["error"]["code"], "output_too_large");
    done.expect(1);
}

#[test]
fn a_command_line_that_is_no_command_is_a_usage_error() {
    let stage = stage();
    stage.each(&[]).expect(2).says("<PROGRAM>");
    stage.each(&["--"]).expect(2).says("<PROGRAM>");
    stage.each(&["echo", "hi"]).expect(2).says("unexpected argument 'echo'");
    stage.batchmill(&["each", "--", "true"]).expect(2).says("<JOBS>");
    stage
        .each(&["--", "touch", "ran${ .n | foo }", "${ .n"])
        .expect(2)
        .says("error: argument 1, character 12 of `ran${ .n | foo }`: unknown function `foo`")
        .says("error: argument 2, character 1 of `${ .n`: `${` is never closed");
    stage.each(&["--", ""]).expect(2).says("error: the program: is empty; it names a program");
    assert_eq!(stage.count("ran"), 0);
    stage.batchmill(&["each", "nothing.jsonl", "--", "true"]).expect(65).says("nothing.jsonl: no such file");
}

#[test]
fn a_command_runs_on_every_cpu_unless_somebody_says_how_many() {
    let stage = stage();
    let limit = |stage: &Stage, args: &[&str]| {
        let metrics = ["--set", "metrics.kind=prometheus", "--set", "metrics.options={textfile='m.prom'}"];
        stage.each(&[&metrics[..], args, &["--", "true"]].concat()).expect(0);
        let text = stage.read("m.prom");
        text.lines().find_map(|line| line.strip_prefix("batchmill_concurrency_limit ")).unwrap().to_owned()
    };
    let cpus = std::thread::available_parallelism().unwrap().to_string();
    assert_eq!(limit(&stage, &[]), cpus);
    assert_eq!(limit(&stage, &["--concurrency", "3"]), "3");
    stage.write("batchmill.toml", "[executor]\nconcurrency = 5\n");
    assert_eq!(limit(&stage, &[]), "5");
}

#[test]
fn raw_prints_what_each_command_writes_and_no_records() {
    let stage = stage();
    let script = "echo out $1; echo err $1 >&2; exit $(($1 % 2))";
    let args = ["--raw", "--max-attempts", "2", "--concurrency", "1", "--output", "results.jsonl"];
    let done = stage.each(&[&args[..], &["--", "sh", "-c", script, "sh", "${ .n }"]].concat()).expect(1);
    let mut lines: Vec<_> = done.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["out 1", "out 2"], "also of one that failed, and of its last attempt only");
    assert_eq!(done.stderr.lines().filter(|line| *line == "err 1").count(), 1, "{}", done.stderr);
    let results = crate::stage::records(&stage.read("results.jsonl"));
    let failed = results.iter().find(|result| result["status"] == "failed").unwrap();
    assert_eq!(failed["error"]["output"], json!({"stdout": "out 1\n", "stderr": "err 1\n", "exit_code": 1}));
}

#[test]
fn raw_output_is_whole_to_the_byte_and_leaves_no_records_behind() {
    let stage = Stage::new();
    stage.write("jobs.jsonl", "{}\n");
    stage.write("bytes", b"\x00\xff\xfe no newline");
    let script = "$BATCHMILL each jobs.jsonl --raw --quiet -- cat bytes >copy 2>err";
    let mut shell = stage.shell(script);
    assert!(shell.env("BATCHMILL", env!("CARGO_BIN_EXE_batchmill")).status().unwrap().success());
    assert_eq!(stage.read_bytes("copy"), stage.read_bytes("bytes"));
    let folder = fs::read_dir(stage.path(".batchmill/batches")).unwrap().next().unwrap().unwrap().path();
    assert!(!folder.join("results.jsonl").exists());
    assert_eq!(stage.read("err"), "", "quiet is quiet");
}

#[test]
fn raw_and_records_do_not_share_stdout() {
    stage().each(&["--raw", "--output", "-", "--", "true"]).expect(2).says("--output -: with --raw stdout has what");
}

#[test]
fn a_reader_who_has_seen_enough_ends_a_raw_batch() {
    let stage = Stage::new();
    stage.write("jobs.jsonl", "{}\n".repeat(2000));
    let script =
        "$BATCHMILL each jobs.jsonl --raw --quiet --concurrency 2 -- echo line | head -n 1; echo ${PIPESTATUS[0]}";
    let mut command = std::process::Command::new("bash");
    command.args(["-c", script]).current_dir(stage.path("")).env("BATCHMILL", env!("CARGO_BIN_EXE_batchmill"));
    let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert_eq!(text, "line\n75\n");
}
