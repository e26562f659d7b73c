//! Every source of jobs, from a good file to results; bad ones are in `bad_input`.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt};

use serde_json::{Value, json};

use crate::stage::{Done, Stage, field, records};

/// A flow whose output is its input.
const SAME: &str = "  node:\n    set: '{}'\n";

fn stage() -> Stage {
    Stage::with(SAME, [""; 0])
}

/// Id and output of each job, in the order of submission.
fn outputs(done: &Done) -> Vec<(String, Value)> {
    let mut results = done.results();
    results.sort_by_key(|result| result["sequence"].as_u64());
    results.iter().map(|result| (result["job_id"].as_str().unwrap().to_owned(), result["output"].clone())).collect()
}

fn job(id: &str, output: Value) -> (String, Value) {
    (id.to_owned(), output)
}

#[test]
fn a_json_list_has_jobs_and_inputs_as_lines_have() {
    let stage = stage();
    stage.write(
        "jobs.json",
        "[\n  {\"n\": 1},\n  {\"id\": \"b\", \"priority\": 7,\n   \"input\": {\"l\": [1,\n2]}},{}]\n",
    );
    let done = stage.batchmill(&["run", "flow.yaml", "jobs.json"]).expect(0);
    assert_eq!(outputs(&done), [job("1", json!({"n": 1})), job("b", json!({"l": [1, 2]})), job("3", json!({}))]);
    assert_eq!(done.results().iter().filter(|result| result["priority"] == 7).count(), 1);
    stage.write("jobs.json", "[{\"id\": 5}]");
    let done = stage.batchmill(&["run", "flow.yaml", "jobs.json", "--input-is-line"]).expect(0);
    assert_eq!(outputs(&done), [job("1", json!({"id": 5}))]);
    stage.write("empty.JSON", " [ ] ");
    stage.batchmill(&["run", "flow.yaml", "empty.JSON"]).expect(0).says("0 jobs");
}

#[test]
fn columns_of_csv_are_the_input_and_the_record_number_is_the_id() {
    let stage = stage();
    stage.write("jobs.csv", "\u{feff}id,name\r\n7,\"x, \"\"y\"\"\r\nz\"\r\n\r\n,plain \"\r\n\"\",é");
    let done = stage.batchmill(&["run", "flow.yaml", "jobs.csv"]).expect(0);
    assert_eq!(
        outputs(&done),
        [
            job("1", json!({"id": "7", "name": "x, \"y\"\r\nz"})),
            job("2", json!({"id": "", "name": "plain \""})),
            job("3", json!({"id": "", "name": "é"})),
        ]
    );
    stage.write("jobs.csv", "id\n");
    stage.batchmill(&["run", "flow.yaml", "jobs.csv"]).expect(0).says("0 jobs");
}

#[test]
fn columns_of_csv_may_be_id_priority_and_tenant() {
    let stage = stage();
    stage.write("jobs.csv", "who;what;when\nann;a;9\n;b;\n");
    let columns = ["--id-column", "what", "--priority-column", "when", "--tenant-column", "who", "--delimiter", ";"];
    let done = stage
        .batchmill(&[&["run", "flow.yaml", "jobs.csv", "--priority", "3", "--tenant", "all"], &columns[..]].concat())
        .expect(0);
    let mut results = done.results();
    results.sort_by_key(|result| result["sequence"].as_u64());
    assert_eq!(field(&results, "job_id"), ["a", "b"]);
    assert_eq!(field(&results, "tenant"), ["ann", "all"], "an empty cell says nothing");
    assert_eq!((&results[0]["priority"], &results[1]["priority"]), (&json!(9), &json!(3)));
    assert_eq!(results[0]["output"], json!({"who": "ann", "what": "a", "when": "9"}), "they stay in the input");
}

#[test]
fn a_pattern_finds_files_by_bytes_and_keeps_their_paths() {
    let stage = stage();
    for folder in ["data/b/c", "data/.hidden"] {
        fs::create_dir_all(stage.path(folder)).unwrap();
    }
    for file in ["a.txt", "B.txt", "é.txt", ".d.txt", "b/e.txt", "b/c/f.txt", ".hidden/g.txt", "h.csv"] {
        stage.write(&format!("data/{file}"), "");
    }
    let paths = |pattern: &str| {
        let done = stage.batchmill(&["run", "flow.yaml", pattern]).expect(0);
        let outputs = outputs(&done);
        assert_eq!(outputs.first().map(|(id, _)| id.as_str()), Some("1"));
        outputs.iter().map(|(_, output)| output["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(paths("glob:data/*.txt"), ["data/B.txt", "data/a.txt", "data/é.txt"]);
    assert_eq!(paths("glob:./data//[a-z].???"), ["./data//a.txt", "./data//h.csv"]);
    assert_eq!(
        paths("glob:data/**/*.txt"),
        ["data/B.txt", "data/a.txt", "data/b/c/f.txt", "data/b/e.txt", "data/é.txt"]
    );
    assert_eq!(paths("glob:data/b/**"), ["data/b/c", "data/b/c/f.txt", "data/b/e.txt"]);
    assert_eq!(paths("glob:data/*/"), ["data/b/"]);
    assert_eq!(paths("glob:data/.*.txt"), ["data/.d.txt"]);
    assert_eq!(paths("glob:data/h.csv"), ["data/h.csv"]);
    let absolute = stage.path("data/b/*.txt").display().to_string();
    assert_eq!(paths(&format!("glob:{absolute}")), [absolute.replace('*', "e")]);
}

#[test]
fn a_name_that_is_not_utf8_is_told_and_can_be_left_out() {
    let stage = stage();
    stage.write("a.txt", "");
    fs::write(stage.path("x").with_file_name(OsStr::from_bytes(b"caf\xe9.txt")), "").unwrap();
    let refused = stage.batchmill(&["run", "flow.yaml", "glob:*.txt"]).expect(65);
    let refused = refused.says("error: caf\\xe9.txt: the name is not UTF-8, which inputs are; rename the file");
    assert_eq!(refused.stdout, "");
    let done = stage.batchmill(&["run", "flow.yaml", "glob:*.txt", "--on-bad-line", "skip"]).expect(0);
    assert_eq!(outputs(&done.says("1 bad line left out")), [job("1", json!({"path": "a.txt"}))]);
}

#[test]
fn lines_are_values_whatever_they_hold() {
    let stage = stage();
    let text = "{\"n\":1}\n\n  a, \"b\"\r\n \t\nlast";
    stage.write("list", text);
    let expected = [
        job("1", json!({"line": "{\"n\":1}"})),
        job("3", json!({"line": "  a, \"b\""})),
        job("5", json!({"line": "last"})),
    ];
    assert_eq!(outputs(&stage.batchmill(&["run", "flow.yaml", "lines:list"]).expect(0)), expected);
    assert_eq!(outputs(&stage.run_with_stdin(&["lines:-"], text).expect(0)), expected, "of stdin too");
}

#[test]
fn a_pipe_with_a_name_is_read_to_its_end() {
    let stage = stage();
    let batchmill = env!("CARGO_BIN_EXE_batchmill");
    let script = format!("mkfifo jobs.csv && (printf 'n\\n1\\n' > jobs.csv & exec {batchmill} run flow.yaml jobs.csv)");
    let output = stage.shell(&script).output().unwrap();
    let results = records(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(results[0]["output"], json!({"n": "1"}));
}

#[test]
fn a_source_that_is_spooled_may_change_while_it_runs() {
    let stage = Stage::with(
        "  node:\n    run: [sh, -c, 'echo n > jobs.csv; echo ${ .n }']\n    output: '{n: .json}'\n",
        [""; 0],
    );
    stage.write("jobs.csv", "n\n1\n2\n");
    let done = stage.batchmill(&["run", "flow.yaml", "jobs.csv", "--concurrency", "1"]).expect(0);
    assert_eq!(outputs(&done), [job("1", json!({"n": 1})), job("2", json!({"n": 2}))]);
}

#[test]
fn no_place_for_the_copy_is_a_failure_of_storage() {
    let stage = stage();
    stage.write("list", "a\n");
    for source in ["lines:list", "-"] {
        // Neither where the state would be nor where copies are made else.
        let mut command = stage.command(&["run", "flow.yaml", source, "--state", "/proc/none"]);
        let output = command.env("TMPDIR", stage.path("none")).output().unwrap();
        assert_eq!(output.status.code(), Some(74), "{source}");
        assert!(String::from_utf8(output.stderr).unwrap().contains("could not be copied to /proc"));
    }
}

const BAD: &str = "{\"id\":\"a\",\"input\":{}}\n[]\n\n{\"id\":\"a\",\"input\":{}}\n{\"id\":\"b\",\"input\":{},\"priority\":1}\nxxxxx\n";

#[test]
fn bad_lines_are_left_out_and_told_when_asked() {
    let stage = stage();
    stage.write("jobs.jsonl", BAD);
    let done = stage.run(&["--on-bad-line", "skip", "--report", "report.json"]).expect(0);
    let done = done.says("WARN left out: jobs.jsonl:2:1: a job must be a JSON object, found a list\n");
    let done =
        done.says("left out: jobs.jsonl:4: duplicate id `a`: line 1 has it too").says("left out: jobs.jsonl:6:1: ");
    let done = done.says("bad lines are left out of the batch lines=3").says("\n  3 bad lines left out\n");
    assert_eq!(outputs(&done), [job("a", json!({})), job("b", json!({}))]);
    assert_eq!(done.results().iter().find(|result| result["job_id"] == "b").unwrap()["priority"], 1, "keys move along");
    let report: Value = serde_json::from_str(&stage.read("report.json")).unwrap();
    assert_eq!(report["bad_lines"], json!({"action": "skip", "lines": 3, "quarantine": null}));
    assert_eq!(report["counts"]["submitted"], 2);
    let check = stage.batchmill(&["check", "flow.yaml", "jobs.jsonl", "--on-bad-line", "skip"]).expect(0);
    assert!(check.stdout.contains("2 jobs: right but for 3 bad lines"), "{}", check.stdout);
}

#[test]
fn only_the_first_twenty_lines_that_are_left_out_are_told() {
    let stage = stage();
    stage.write("jobs.jsonl", "[]\n".repeat(1000));
    let done = stage.run(&["--on-bad-line", "skip"]).expect(0);
    let done = done.says("left out: jobs.jsonl:20:1: ").says("left out: and 980 more").says("lines=1000");
    assert!(!done.stderr.contains("jobs.jsonl:21:"));
}

#[test]
fn bad_lines_are_kept_beside_the_results_when_asked() {
    let stage = stage();
    stage.write(
        "jobs.jsonl",
        [BAD.as_bytes(), b"\"\xff\"\n{\"n\":\"1234567890123456789012345678901234567890\"}\n"].concat(),
    );
    let args = ["--on-bad-line", "quarantine", "--output", "out", "--max-line", "40", "--report", "report.json"];
    stage.run(&args).expect(0).says("5 bad lines left out, kept in out.quarantine.jsonl");
    let kept = records(&stage.read("out.quarantine.jsonl"));
    let lines: Vec<_> = kept.iter().map(|kept| kept["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [2, 6, 7, 8, 4], "equal ids are found at the end");
    assert_eq!(
        kept[0],
        json!({"source": "jobs.jsonl", "line": 2, "column": 1,
            "errors": ["a job must be a JSON object, found a list"], "text": "[]"})
    );
    assert_eq!((&kept[2]["text"], &kept[2]["text_base64"]), (&json!("\"\u{fffd}\""), &json!("Iv8i")));
    assert_eq!((kept[3]["text"].as_str().unwrap().len(), &kept[3]["text_cut"]), (40, &json!(true)));
    assert_eq!(kept[4]["text"], "{\"id\":\"a\",\"input\":{}}");
    let report: Value = serde_json::from_str(&stage.read("report.json")).unwrap();
    assert_eq!(report["bad_lines"]["quarantine"], "out.quarantine.jsonl");
    // It is not replaced unasked, and nothing else is by then.
    let results = stage.read("out");
    fs::rename(stage.path("out"), stage.path("kept")).unwrap();
    stage.run(&args).expect(65).says("out.quarantine.jsonl: exists and has content");
    assert_eq!(stage.count("out"), 1, "only the quarantine is there");
    fs::rename(stage.path("kept"), stage.path("out")).unwrap();
    assert_eq!(stage.read("out"), results);
    stage.run(&[&args[..], &["--overwrite"]].concat()).expect(0);
    assert_eq!(records(&stage.read("out.quarantine.jsonl")).len(), 5);
}

#[test]
fn a_batch_that_writes_to_stdout_keeps_bad_lines_in_its_folder() {
    let stage = stage();
    stage.write("jobs.csv", "n\n1,2\n3\n");
    let done = stage.batchmill(&["run", "flow.yaml", "jobs.csv", "--on-bad-line", "quarantine"]).expect(0);
    let batch = done.results()[0]["batch"].as_str().unwrap().to_owned();
    let kept = records(&stage.read(&format!(".batchmill/batches/{batch}/quarantine.jsonl")));
    assert_eq!((&kept[0]["line"], &kept[0]["text"]), (&json!(2), &json!("1,2")));
    // Where no line is bad, there is no file.
    stage.write("jobs.csv", "n\n3\n");
    stage.batchmill(&["run", "flow.yaml", "jobs.csv", "--on-bad-line", "quarantine", "--state", "none"]).expect(0);
    let folder = std::fs::read_dir(stage.path("none/batches")).unwrap().next().unwrap().unwrap().path();
    assert!(!folder.join("quarantine.jsonl").exists());
}

#[test]
fn bad_lines_do_not_go_into_the_file_that_is_read() {
    let stage = stage();
    stage.write("out.quarantine.jsonl", "{}\n[]\n");
    let args = ["run", "flow.yaml", "out.quarantine.jsonl", "--on-bad-line", "quarantine", "--output", "out"];
    stage.batchmill(&args).expect(65).says("out.quarantine.jsonl: is the same file as the jobs");
    assert_eq!(stage.read("out.quarantine.jsonl"), "{}\n[]\n");
}
