//! Mistakes of people who know xargs and parallel, or forgot something: each is answered with its mend.

use crate::stage::Stage;

const COMMAND: &str =
    "tip: the command stands behind `--`, for example: batchmill each jobs.jsonl -- wc -c '${ .path }'";

/// A stage with a flow and jobs that are right.
fn stage() -> Stage {
    Stage::with("  node: {set: '{}'}\n", ["{}"])
}

#[test]
fn flags_of_other_tools_are_answered_with_ours() {
    let stage = stage();
    for (flag, mend) in [
        ("-P", "tip: -P is --concurrency here, or -j for short"),
        ("-P4", "tip: -P is --concurrency here, or -j for short"),
        ("--jobs", "tip: --jobs is --concurrency here, or -j for short"),
        ("--workers", "tip: --workers is --concurrency here, or -j for short"),
        ("--retries", "tip: --retries is --max-attempts here, which counts the first try too"),
        ("--max-retries", "tip: --max-retries is --max-attempts here, which counts the first try too"),
        ("--fail-fast", "tip: --fail-fast is --halt now,fail=1 here"),
        ("--joblog", "tip: --joblog is --output here"),
    ] {
        let done = stage.run(&[flag, "3"]).expect(2).says(mend);
        assert_eq!(done.stderr.matches("tip:").count(), 1, "{}", done.stderr);
        stage.batchmill(&["each", "jobs.jsonl", flag, "3", "--", "true"]).expect(2).says(mend);
    }
}

#[test]
fn a_command_without_such_a_flag_does_not_name_it() {
    let done = stage().batchmill(&["graph", "flow.yaml", "--retries", "3"]).expect(2);
    assert!(!done.stderr.contains("--max-attempts"), "{}", done.stderr);
}

#[test]
fn each_says_where_the_command_stands() {
    let stage = stage();
    for args in [&["each", "jobs.jsonl", "echo", "x"][..], &["each", "jobs.jsonl"], &["each", "jobs.jsonl", "--"]] {
        stage.batchmill(args).expect(2).says(COMMAND);
    }
    let done = stage.batchmill(&["each", "--", "echo"]).expect(2).says("<JOBS>");
    assert!(!done.stderr.contains("tip:"), "{}", done.stderr);
}

#[test]
fn flow_and_jobs_the_wrong_way_round_are_one_problem() {
    let stage = stage();
    let both = "error: jobs.jsonl stands where the flow belongs, and flow.yaml where the jobs do: the order is FLOW, then \
                JOBS\n";
    for args in [&["run"][..], &["check"], &["try", "--job", "1"]] {
        let done = stage.batchmill(&[args, &["jobs.jsonl", "flow.yaml"]].concat()).expect(65);
        assert_eq!(done.stderr, both);
    }
    let one = "glob:*.conf stands where the flow belongs: the order is FLOW, then JOBS\n";
    stage.batchmill(&["run", "glob:*.conf", "jobs.jsonl"]).expect(65).says(one);
}

#[test]
fn a_flow_that_is_only_wrong_is_not_taken_for_jobs() {
    let stage = stage();
    stage.write("flow.json", "{\"version\": 1, \"nodes\": {\"a\": {\"rnu\": []}}}");
    for jobs in ["jobs.jsonl", "lines:flow.yaml"] {
        stage.batchmill(&["run", "flow.json", jobs]).expect(65).says("unknown kind `rnu`");
    }
}

#[test]
fn a_time_without_a_unit_is_answered_with_one() {
    let stage = stage();
    stage.run(&["--timeout", "5"]).expect(2).says("executor.timeout: a duration needs a unit, for example \"5s\"\n");
    stage.run(&["--timeout", "0.5"]).expect(2).says("for example \"0.5s\"");
}

#[test]
fn what_is_no_json_is_told_in_plain_words() {
    let stage = stage();
    for (line, says) in [
        ("{\"a\":tru}", "a word that is none of true, false and null"),
        ("{", "it ends inside an object: a `}` is missing"),
        ("{\"a\":[", "it ends inside a list: a `]` is missing"),
        ("{\"a\":\"x", "it ends inside a text: a `\"` is missing"),
        ("{\"a\":", "it ends where a value is expected"),
        ("{\"a\":1,}", "a comma with nothing behind it"),
        ("{\"a\":x}", "expected a value here; a text stands in double quotes"),
        ("{'a':1}", "a name must stand in double quotes"),
        ("{} {}", "there is something after the end of the value"),
        ("{\"a\":\"C:\\q\"}", "a `\\` that begins no escape; write `\\\\` for the character"),
        ("{\"a\":\"\t\"}", "a control character inside a text; write it as an escape such as \\t or \\n"),
    ] {
        stage.write("jobs.jsonl", format!("{line}\n"));
        stage.run(&[]).expect(65).says(&format!("not JSON: {says}\n"));
    }
}

#[test]
fn a_list_of_names_on_stdin_is_told_how_plain_lines_are_read() {
    let stage = stage();
    let mend = "a job is an object such as {\"n\": 1}; plain lines are read with lines:FILE or lines:-\n";
    let done = stage.run_with_stdin(&["-"], "a.txt\n[1\ntrue.txt\n").expect(65);
    assert_eq!(done.stderr.matches(mend).count(), 2, "{}", done.stderr);
    done.says("stdin:1:1: not JSON: a job is").says("stdin:2:2: not JSON: it ends inside a list").says("stdin:3:1: ");
}
