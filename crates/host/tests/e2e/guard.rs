//! What is not the same batch any more does not go on by itself: nothing runs, nothing changes.

use std::{collections::BTreeMap, fs, path::Path};

use crate::stage::{Stage, records};

const FLOW: &str = r#"version: 1
name: test
defaults: {retry: 2}
nodes:
  work:
    run:
      - sh
      - -c
      - echo $1 >> ran; [ $1 != 2 ] || [ -e killed ] || { touch killed; kill -9 $PPID; read forever < gate; }
      - sh
      - "${ .n }"
  after:
    needs: [work]
    set: '{done: true}'
output: '{n}'
"#;

const JOBS: &str =
    "{\"id\":\"a\",\"input\":{\"n\":1}}\n{\"id\":\"b\",\"input\":{\"n\":2}}\n{\"id\":\"c\",\"input\":{\"n\":3}}\n";

/// A batch whose first job has ended, and whose host was killed by its second job.
fn unfinished() -> Stage {
    let stage = Stage::new();
    stage.make_gate();
    stage.write("flow.yaml", FLOW);
    stage.write("jobs.jsonl", JOBS);
    // By itself: a slot is free before the end of its job is recorded, so the second would race with that.
    stage.run(&["-j", "1", "--limit", "1"]).expect(0);
    assert_eq!(stage.run(&["-j", "1"]).code, None, "its job killed the host");
    stage
}

/// Every file of the state directory. What SQLite shares between readers is no content, nor is a socket.
fn state(stage: &Stage) -> BTreeMap<String, Vec<u8>> {
    fn walk(folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.is_file() && path.extension().is_none_or(|end| end != "db-shm") {
                files.insert(path.display().to_string(), fs::read(&path).unwrap());
            }
        }
    }
    let mut files = BTreeMap::new();
    walk(&stage.path(".batchmill"), &mut files);
    files
}

/// A change, and what is said of it.
struct Change {
    what: &'static str,
    flow: Option<(&'static str, &'static str)>,
    jobs: Option<(&'static str, &'static str)>,
    args: &'static [&'static str],
    says: &'static str,
}

const NO: Change = Change { what: "", flow: None, jobs: None, args: &[], says: "" };

const CHANGES: [Change; 15] = [
    Change {
        what: "an argument of a node",
        flow: Some(("- echo $1", "- echo x$1")),
        says: "nodes.work.run.2: was ",
        ..NO
    },
    Change {
        what: "a new key of a node",
        flow: Some(("needs: [work]", "needs: [work]\n    retry: 5")),
        says: "nodes.after.retry is new",
        ..NO
    },
    Change { what: "a renamed node", flow: Some(("  after:", "  behind:")), says: "nodes.behind is new", ..NO },
    Change {
        what: "the retries of the flow",
        flow: Some(("retry: 2", "retry: 3")),
        says: "defaults.retry: was 2, is 3",
        ..NO
    },
    Change { what: "the output of the flow", flow: Some(("'{n}'", "'{m: .n}'")), says: "the flow: output: was ", ..NO },
    Change {
        what: "the checkpoints",
        flow: Some(("version: 1", "version: 1\ncheckpoint: exit")),
        says: "the flow: checkpoint is new",
        ..NO
    },
    Change {
        what: "the input of a job",
        jobs: Some(("\"n\":3", "\"n\":4")),
        says: "jobs.jsonl: 1 job has other content: `c` (jobs.jsonl:3)",
        ..NO
    },
    Change {
        what: "a job that is gone",
        jobs: Some(("{\"id\":\"c\",\"input\":{\"n\":3}}\n", "")),
        says: "jobs.jsonl: 1 job is gone: the one of line 3",
        ..NO
    },
    Change {
        what: "a job in between",
        jobs: Some(("{\"id\":\"b\"", "{\"id\":\"x\",\"input\":{\"n\":9}}\n{\"id\":\"b\"")),
        says: "jobs.jsonl: 1 job is new: `x` (jobs.jsonl:2)",
        ..NO
    },
    Change {
        what: "a file that grew",
        jobs: Some(("{\"n\":3}}\n", "{\"n\":3}}\n{\"id\":\"d\",\"input\":{\"n\":4}}\n")),
        says: "1 job is new: `d` (jobs.jsonl:4) (--accept-appended lets them join)",
        ..NO
    },
    Change {
        what: "another id",
        jobs: Some(("\"id\":\"c\"", "\"id\":\"C\"")),
        says: "1 job is new: `C` (jobs.jsonl:3)",
        ..NO
    },
    Change {
        what: "the retry policy",
        args: &["--max-attempts", "7"],
        says: "retry.options.max_attempts: was 3, is 7",
        ..NO
    },
    Change { what: "its waits", args: &["--set", "retry.options.delay=9s"], says: "retry.options.delay: was ", ..NO },
    Change {
        what: "the failure policy",
        args: &["--halt", "soon,fail=3"],
        says: "failure.options.rules.0: was \"never\", is \"soon,fail=3\"",
        ..NO
    },
    Change { what: "how lines are read", args: &["--tenant", "other"], says: "--tenant: was default, is other", ..NO },
];

impl Change {
    fn make(&self, stage: &Stage) {
        for (file, text, change) in [("flow.yaml", FLOW, self.flow), ("jobs.jsonl", JOBS, self.jobs)] {
            if let Some((from, to)) = change {
                assert!(text.contains(from), "{}: `{from}` is not in {file}", self.what);
                stage.write(file, text.replacen(from, to, 1));
            }
        }
    }

    fn unmake(stage: &Stage) {
        stage.write("flow.yaml", FLOW);
        stage.write("jobs.jsonl", JOBS);
    }
}

#[test]
fn what_differs_is_named_and_nothing_runs() {
    let stage = unfinished();
    let (before, ran) = (state(&stage), stage.read("ran"));
    for change in &CHANGES {
        change.make(&stage);
        let done = stage.run(&[&["-j", "1"], change.args].concat());
        assert_eq!(done.code, Some(65), "{}: {}", change.what, done.stderr);
        assert!(done.stderr.contains(change.says), "{}: no `{}` in\n{}", change.what, change.says, done.stderr);
        assert!(done.stderr.contains("--accept-changes goes on"), "{}: {}", change.what, done.stderr);
        assert_eq!((done.stdout.as_str(), &stage.read("ran")), ("", &ran), "{}: something ran", change.what);
        assert!(state(&stage) == before, "{}: the state was changed", change.what);
        if change.args.is_empty() {
            stage.batchmill(&["resume"]).expect(65).says(change.says);
        }
        Change::unmake(&stage);
    }
    stage.batchmill(&["resume"]).expect(0);
}

#[test]
fn what_may_change_does() {
    let stage = unfinished();
    stage.write("flow.yaml", format!("# a comment\n{}", FLOW.replace("{retry: 2}", "{ \"retry\": 2 }")));
    let mut lines: Vec<_> = JOBS.lines().collect();
    lines.reverse();
    stage.write("jobs.jsonl", format!("{}\n\n", lines.join("\n")));
    stage.write("batchmill.toml", "[scheduler]\nkind = \"fifo\"\n[retry]\noptions = { max_attempts = 3 }\n");
    let done = stage.run(&[
        "-j",
        "4",
        "--timeout",
        "1m",
        "--set",
        "sinks=[{kind = \"jsonl\", options = {path = \"sink.jsonl\"}}]",
    ]);
    let done = done.expect(0);
    let mut places: Vec<_> =
        done.results().iter().map(|r| (r["job_id"].to_string(), r["sequence"].to_string())).collect();
    places.sort();
    let expected = [("\"a\"", "0"), ("\"b\"", "1"), ("\"c\"", "2")];
    assert_eq!(places, expected.map(|(id, place)| (id.to_owned(), place.to_owned())), "places are those of then");
    assert_eq!(records(&stage.read("sink.jsonl")).len(), 3, "a sink that is new gets everything");
}

#[test]
fn changes_that_are_accepted_are_recorded() {
    let stage = unfinished();
    stage.write("jobs.jsonl", JOBS.replace("\"n\":3", "\"n\":30") + "{\"id\":\"d\",\"input\":{\"n\":4}}\n");
    stage.write("flow.yaml", FLOW.replace("'{n}'", "'{m: .n}'"));
    stage.run(&["--accept-appended"]).expect(65);
    let done = stage.run(&["--accept-changes"]).expect(0);
    let results = done.results();
    assert_eq!(results.len(), 4);
    let output = |id: &str| results.iter().find(|r| r["job_id"] == id).unwrap()["output"].to_string();
    assert_eq!(
        (output("a").as_str(), output("c").as_str(), output("d").as_str()),
        ("{\"n\":1}", "{\"m\":30}", "{\"m\":4}")
    );
    assert_eq!(stage.read("ran").lines().filter(|line| *line == "1").count(), 1, "what had ended has ended");
}

#[test]
fn a_file_that_only_grew_may_join() {
    let stage = unfinished();
    stage.write("jobs.jsonl", format!("{JOBS}{{\"id\":\"d\",\"input\":{{\"n\":4}}}}\n"));
    let done = stage.batchmill(&["resume", "--accept-appended"]).expect(0);
    assert_eq!(done.results().len(), 4);
}

#[test]
fn a_job_that_has_not_ended_cannot_be_taken_out() {
    let stage = unfinished();
    stage.write("jobs.jsonl", JOBS.lines().take(2).map(|line| format!("{line}\n")).collect::<String>());
    stage.run(&["--accept-changes"]).expect(65).says("cannot be taken out of a batch");
    stage.write("jobs.jsonl", JOBS.lines().skip(1).map(|line| format!("{line}\n")).collect::<String>());
    assert_eq!(stage.run(&["--accept-changes"]).expect(0).results().len(), 3, "one that has ended can");
}

#[test]
fn a_damaged_state_is_refused_as_it_is() {
    let stage = unfinished();
    let folder = fs::read_dir(stage.path(".batchmill/batches")).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(folder.join("jobs.idx")).unwrap();
    for (damaged, says) in [(&whole[..40], "cut off"), (&whole[..90], "length"), (&b"x".repeat(200)[..], "no index")] {
        fs::write(folder.join("jobs.idx"), damaged).unwrap();
        let before = state(&stage);
        stage.run(&[]).expect(65).says("jobs.idx").says(says);
        assert!(state(&stage) == before);
    }
    fs::write(folder.join("jobs.idx"), whole).unwrap();
    fs::write(folder.join("batch.db"), "no database").unwrap();
    stage.run(&[]).expect(65).says("batch.db");
    assert_eq!(fs::read(folder.join("batch.db")).unwrap(), b"no database");
}
