//! A batch goes on where its host stopped, whatever stopped it.

use std::fs;

use crate::stage::{Done, Stage, field, is_alive, records, wait_until};

/// A job writes its number into `ran`; the second of five kills its host the first time it runs.
const KILLS_ITS_HOST: &str = r#"  work:
    run:
      - sh
      - -c
      - echo $1 >> ran; [ $1 != 2 ] || [ -e killed ] || { touch killed; kill -9 $PPID; read forever < gate; }
      - sh
      - "${ .n }"
"#;

fn stage(nodes: &str) -> Stage {
    let stage = Stage::with(nodes, (1..=5).map(|n| format!("{{\"n\": {n}}}")));
    stage.make_gate();
    stage
}

fn killed(stage: &Stage, args: &[&str]) {
    assert_eq!(stage.run(args).code, None, "its job killed the host");
}

fn ids(done: &Done) -> Vec<String> {
    let mut ids: Vec<_> = field(&done.results(), "job_id").into_iter().map(str::to_owned).collect();
    ids.sort();
    ids
}

fn ran(stage: &Stage, job: &str) -> usize {
    stage.read("ran").lines().filter(|line| *line == job).count()
}

#[test]
fn a_batch_whose_host_was_killed_goes_on_with_the_same_command() {
    let stage = stage(KILLS_ITS_HOST);
    killed(&stage, &["-j", "1"]);
    let done = stage.run(&["-j", "1"]).expect(0).says("ran when the host was lost");
    assert_eq!(ids(&done), ["1", "2", "3", "4", "5"], "every result, stored ones too");
    assert_eq!(done.results()[0]["batch"], done.results()[4]["batch"]);
    assert_eq!((ran(&stage, "2"), ran(&stage, "3")), (2, 1));
    assert_eq!(fs::read_dir(stage.path(".batchmill/batches")).unwrap().count(), 1);
    assert_eq!(ids(&stage.run(&[]).expect(0)).len(), 5);
    assert_eq!(fs::read_dir(stage.path(".batchmill/batches")).unwrap().count(), 2, "after a finished one a new one");
}

#[test]
fn resume_needs_to_be_told_nothing() {
    let stage = stage(KILLS_ITS_HOST);
    fs::create_dir(stage.path("elsewhere")).unwrap();
    killed(&stage, &["-j", "1", "--output", "out.jsonl"]);
    let mut command = stage.command(&["resume", "--state", "../.batchmill", "--report", "report.json"]);
    let done = command.current_dir(stage.path("elsewhere")).output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    let mut seen: Vec<_> = field(&records(&stage.read("out.jsonl")), "job_id").into_iter().map(str::to_owned).collect();
    seen.sort();
    assert_eq!(seen, ["1", "2", "3", "4", "5"], "the output of the first command, each job once");
    let report: serde_json::Value = serde_json::from_str(&stage.read("elsewhere/report.json")).unwrap();
    assert_eq!(report["counts"]["succeeded"], 5, "the whole batch");
    assert_eq!((&report["resumed"]["interrupted"], &report["resumed"]["host"]), (&1.into(), &2.into()));
    let name = report["batch"].as_str().unwrap();
    stage.batchmill(&["resume", &name[..6]]).expect(65).says("has ended").says("nothing to resume");
    stage.batchmill(&["resume"]).expect(65).says("every batch here is finished");
    stage.batchmill(&["resume", "nobody"]).expect(65).says("there is no batch `nobody`");
    stage.batchmill(&["resume", "--state", "nowhere"]).expect(65).says("there are no batches here");
}

#[test]
fn retries_are_those_of_the_batch_whoever_ran_it() {
    // The first job succeeds at its third attempt; the second fails, then takes the host down, then succeeds.
    let stage = Stage::with(
        r#"  work:
    run:
      - sh
      - -c
      - >-
        echo $1 >> ran; n=$(grep -c "^$1$" ran); [ $1 != 1 ] || exit $((n < 3));
        [ $n != 2 ] || kill -9 $PPID; [ $n -gt 1 ]
      - sh
      - "${ .n }"
"#,
        ["{\"n\": 1}", "{\"n\": 2}"],
    );
    let args = ["-j", "1", "--batch", "nightly", "--report", "report.json", "--set", "retry.options.delay=1ms"];
    stage.run(&[&args[..], &["--limit", "1"]].concat()).expect(0).says("1 succeeded, 2 retries");
    killed(&stage, &args);
    stage.run(&args).expect(0).says("2 succeeded, 3 retries");
    let report: serde_json::Value = serde_json::from_str(&stage.read("report.json")).unwrap();
    assert_eq!((&report["retries"], &report["resumed"]["jobs_before"]), (&3.into(), &1.into()));
    stage.run(&args).expect(0).says("nothing has run").says("2 succeeded, 3 retries");
}

#[test]
fn what_the_dead_host_left_running_is_ended_before_its_job_runs_again() {
    let stage = stage(
        r#"  work:
    run:
      - sh
      - -c
      - >-
        echo $1 >> ran; [ $1 != 2 ] || [ -e survivor ] ||
        { setsid sh -c 'trap "" TERM; echo $$ > survivor; kill -9 $1; read forever < gate' sh $PPID; read forever < gate; }
      - sh
      - "${ .n }"
"#,
    );
    killed(&stage, &["-j", "1"]);
    wait_until("the survivor", || stage.path("survivor").exists() && !stage.read("survivor").is_empty());
    let survivor = stage.read("survivor");
    stage.batchmill(&["resume"]).expect(0).says("processes that an earlier host of the batch had left were ended");
    assert!(!is_alive(&survivor), "it had no time to do harm");
}

#[test]
fn a_job_that_takes_its_host_down_each_time_is_quarantined() {
    let stage = Stage::with(
        "  work: {run: [sh, -c, 'echo $1 >> ran; [ $1 != 2 ] || { kill -9 $PPID; read forever < gate; }', sh, '${ .n }']}\n",
        (1..=5).map(|n| format!("{{\"n\": {n}}}")),
    );
    stage.make_gate();
    for _ in 0..3 {
        killed(&stage, &["-j", "1"]);
    }
    let done = stage.run(&["-j", "1"]).expect(1);
    let poison: Vec<_> = done.results().into_iter().filter(|result| result["status"] == "quarantined").collect();
    assert_eq!(field(&poison, "job_id"), ["2"]);
    assert_eq!((done.results().len(), ran(&stage, "2")), (5, 3));
}

#[test]
fn jobs_that_came_through_a_pipe_are_kept() {
    let stage = stage(KILLS_ITS_HOST);
    let jobs = stage.read("jobs.jsonl");
    assert_eq!(stage.run_with_stdin(&["-", "-j", "1"], &jobs).code, None);
    assert_eq!(ids(&stage.batchmill(&["resume"]).expect(0)), ["1", "2", "3", "4", "5"]);
}

#[test]
fn jobs_whose_file_is_gone_are_taken_from_the_copy_if_there_is_one() {
    let stage = stage(KILLS_ITS_HOST);
    stage.write("jobs.csv", "n\n1\n2\n3\n4\n5\n");
    assert_eq!(stage.batchmill(&["run", "flow.yaml", "jobs.csv", "-j", "1"]).code, None);
    fs::remove_file(stage.path("jobs.csv")).unwrap();
    stage.batchmill(&["run", "flow.yaml", "jobs.csv"]).expect(65).says("jobs.csv: no such file");
    assert_eq!(ids(&stage.batchmill(&["resume"]).expect(0)), ["1", "2", "3", "4", "5"]);
    fs::remove_file(stage.path("killed")).unwrap();
    killed(&stage, &["-j", "1"]);
    fs::remove_file(stage.path("jobs.jsonl")).unwrap();
    stage.batchmill(&["resume"]).expect(65).says("jobs.jsonl: no such file");
}

#[test]
fn each_goes_on_too() {
    let stage = Stage::new();
    stage.make_gate();
    stage.write("lines", "a\nb\nc\n");
    let script =
        "echo $1 >> ran; [ $1 != b ] || [ -e killed ] || { : > killed; kill -9 $PPID; read forever < gate; }; echo $1";
    let command = ["each", "lines:lines", "-j", "1", "--raw", "--", "sh", "-c", script, "sh"];
    assert_eq!(stage.batchmill(&command).code, None);
    let done = stage.batchmill(&["resume"]).expect(0);
    let mut lines: Vec<_> = done.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["a", "b", "c"], "what all commands wrote, those of the first host too");
    assert_eq!(ran(&stage, "c"), 1);
}

#[test]
fn a_trial_goes_on_without_repeating() {
    let stage = stage("  work: {run: [sh, -c, 'echo $1 >> ran', sh, '${ .n }']}\n");
    let trial = stage.run(&["--limit", "2", "-j", "1"]).expect(0).says("batchmill resume");
    assert_eq!(ids(&trial), ["1", "2"]);
    assert_eq!(ids(&stage.run(&["--limit", "2", "-j", "1"]).expect(0)), ["1", "2"], "the same two");
    assert_eq!(ids(&stage.run(&["--limit", "3", "-j", "1"]).expect(0)), ["1", "2", "3"]);
    assert_eq!(ids(&stage.run(&[]).expect(0)).len(), 5);
    let mut all: Vec<_> = stage.read("ran").lines().map(str::to_owned).collect();
    all.sort();
    assert_eq!(all, ["1", "2", "3", "4", "5"], "each once");
}

#[test]
fn an_interrupted_batch_goes_on() {
    let stage = stage("  work: {run: [sh, -c, 'echo $1 >> ran; read go < gate', sh, '${ .n }']}\n");
    let running = stage.start(&["-j", "2"]);
    wait_until("two jobs", || stage.path("ran").exists() && stage.read("ran").lines().count() == 2);
    running.signal("INT");
    running.wait_for("Draining");
    running.signal("INT");
    running.end().expect(75).says("batchmill resume test-").says("goes on with it");
    let _gate = stage.open_gate(5);
    let done = stage.batchmill(&["resume"]).expect(0);
    assert_eq!(done.results().len(), 5);
    assert!(done.results().iter().all(|result| result["attempts"] == 1), "a planned stop is no attempt");
    assert!(!done.stderr.contains("was lost"), "{}", done.stderr);
}

#[test]
fn one_batch_has_one_host() {
    let stage = stage("  work: {run: [sh, -c, 'echo $1 >> ran; [ ! -e wait ] || read go < gate', sh, '${ .n }']}\n");
    stage.write("wait", "");
    let running = stage.start(&["-j", "1"]);
    wait_until("a job", || stage.path("ran").exists());
    stage.run(&[]).expect(75).says("is run by process").says("on ");
    stage.batchmill(&["resume"]).expect(75).says("is run by process");
    // Jobs that start from now on do not wait.
    fs::remove_file(stage.path("wait")).unwrap();
    stage.write("other.jsonl", "{\"n\": 7}\n");
    let beside = stage.batchmill(&["run", "flow.yaml", "other.jsonl"]).expect(0);
    assert_eq!(beside.results().len(), 1, "another batch in the same folder");
    assert_eq!(stage.run(&["--fresh"]).expect(0).says("is not abandoned: it has a host").results().len(), 5);
    let _gate = stage.open_gate(1);
    assert_eq!(running.end().expect(0).results().len(), 5);
}

#[test]
fn a_fresh_start_abandons_what_was_unfinished() {
    let stage = stage(KILLS_ITS_HOST);
    killed(&stage, &["-j", "1", "--batch", "nightly"]);
    let done = stage.run(&["--fresh", "--batch", "nightly"]).expect(0);
    assert!(done.results()[0]["batch"].as_str().unwrap().starts_with("nightly-"), "{}", done.stdout);
    assert_eq!(ran(&stage, "1"), 2);
    stage.batchmill(&["resume", "nightly"]).expect(65).says("was abandoned");
    let again = stage.run(&["--batch", "nightly"]).expect(0).says("nothing has run, the stored results answer");
    assert_eq!(again.results(), done.results());
}

#[test]
fn a_name_is_an_idempotency_key() {
    let stage = stage("  work: {run: [sh, -c, 'echo $1 >> ran; [ $1 != 3 ]', sh, '${ .n }']}\n");
    let args = ["--batch", "nightly", "--max-attempts", "1"];
    let first = stage.run(&args).expect(1);
    assert_eq!(first.results()[0]["batch"], "nightly");
    let again = stage.run(&args).expect(1).says("nothing has run");
    assert_eq!(again.stdout, first.stdout);
    assert_eq!(stage.read("ran").lines().count(), 5);
    let to_file = stage.run(&[&args[..], &["--output", "out.jsonl"]].concat()).expect(1);
    assert_eq!((to_file.stdout.as_str(), stage.read("out.jsonl")), ("", first.stdout.clone()));
    stage.write("jobs.jsonl", "{\"n\": 9}\n");
    stage
        .run(&args)
        .expect(65)
        .says("the finished batch `nightly` was made of other content")
        .says("choose another name");
    for name in ["a/b", "", "last", ".hidden", "a\tb", &"n".repeat(201)] {
        stage.run(&["--batch", name]).expect(2);
    }
}

#[test]
fn somebody_elses_output_is_refused_and_ours_goes_on() {
    let stage = stage(KILLS_ITS_HOST);
    stage.write("theirs.jsonl", "{}\n");
    stage.run(&["--output", "theirs.jsonl"]).expect(65).says("exists and has content");
    killed(&stage, &["-j", "1", "--output", "ours.jsonl"]);
    stage.run(&["--output", "theirs.jsonl"]).expect(65).says("exists and has content");
    stage.run(&["--output", "ours.jsonl"]).expect(0);
    assert_eq!(records(&stage.read("ours.jsonl")).len(), 5);
    assert_eq!(stage.read("theirs.jsonl"), "{}\n");
}

#[test]
fn without_durability_nothing_is_kept() {
    let stage = stage("  work: {set: '{}'}\n");
    stage.run(&["--durability", "none"]).expect(0).says("durability is `none`");
    assert!(!stage.path(".batchmill").exists());
    stage.run(&["--durability", "buffered"]).expect(0);
    assert!(stage.path(".batchmill/batches").exists());
}

#[test]
fn a_store_that_is_taken_away_stops_the_batch() {
    let stage = stage("  work: {run: [sh, -c, 'echo $1 >> ran; read go < gate', sh, '${ .n }']}\n");
    let running = stage.start(&["-j", "1"]);
    wait_until("a job", || stage.path("ran").exists());
    fs::remove_dir_all(stage.path(".batchmill/batches")).unwrap();
    let done = running.end().expect(74).says("was removed while the batch ran").says("Results could not be stored");
    assert!(!done.stderr.contains("goes on with it"), "{}", done.stderr);
    assert_eq!(stage.read("ran").lines().count(), 1, "nothing started after it");
}
