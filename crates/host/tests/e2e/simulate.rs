//! `batchmill simulate`: a batch in virtual time.

use serde_json::Value;

use crate::stage::{Done, Stage};

const FLOW: &str = "  node:\n    run: [sh, -c, 'touch ran']\n";

/// Two tenants on one slot: 20 jobs of `a`, then 10 of `b`.
fn stage() -> Stage {
    let jobs = (0..30).map(|n| format!(r#"{{"tenant":"{}","input":{{"n":{n}}}}}"#, if n < 20 { "a" } else { "b" }));
    let stage = Stage::with(FLOW, jobs);
    stage.write("fifo.toml", "[scheduler]\nkind = \"fifo\"\n[executor]\nconcurrency = 1\n");
    stage.write(
        "fair.toml",
        "[scheduler]\nkind = \"fair-share\"\n[scheduler.options]\nweights = { b = 2 }\n[executor]\nconcurrency = 1\n",
    );
    stage
}

fn simulate(stage: &Stage, args: &[&str]) -> Done {
    stage.batchmill(&[&["simulate", "flow.yaml", "jobs.jsonl"], args].concat())
}

fn json(stage: &Stage, args: &[&str]) -> Value {
    let done = simulate(stage, &[args, &["-o", "json"]].concat()).expect(0);
    serde_json::from_str(&done.stdout).unwrap()
}

#[test]
fn two_configs_stand_side_by_side() {
    let stage = stage();
    let done = simulate(&stage, &["--config", "fifo.toml", "--against", "fair.toml"]).expect(0);
    let lines: Vec<Vec<&str>> = done.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(done.stdout.lines().next(), Some("test: 30 jobs of 2 tenants, durations cost:1s, no failures, seed 1"));
    for expected in [
        &["fifo.toml", "fair.toml"][..],
        &["scheduler", "fifo", "fair-share"],
        &["slots", "1", "1"],
        &["ended", "succeeded", "succeeded"],
        &["attempts", "30", "30"],
        &["makespan", "30.0s", "30.0s"],
        &["machine", "used", "100.0%", "100.0%"],
        &["wait", "max", "29.0s", "29.0s"],
        // First come, first served: 20 of `a`, then 10 of `b`. By weight `b` is through after 15.
        &["a", "20", "20.0s", "66.7%", "50.0%", "2.000", "9.0s", "17.0s", "19.0s", "19.0s", "20.0s"],
        &["b", "10", "10.0s", "33.3%", "50.0%", "0.000", "24.0s", "28.0s", "29.0s", "29.0s", "30.0s"],
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected:?} is not in\n{}", done.stdout);
    }
    let fairness = lines.iter().find(|line| line.first() == Some(&"fairness")).unwrap();
    assert!(fairness[1] == "0.5000" && fairness[2].parse::<f64>().unwrap() > 0.98, "{fairness:?}");
    let b = lines.iter().rfind(|line| line.len() == 11 && line[0] == "b").unwrap();
    assert!(["14.0s", "15.0s", "16.0s"].contains(&b[10]), "{b:?}");
    assert!(!stage.path("ran").exists() && !stage.path(".batchmill").exists(), "nothing runs, nothing is kept");
}

#[test]
fn the_same_command_gives_the_same_answer_and_seeds_differ() {
    let stage = stage();
    let args =
        ["--durations", "lognormal:1s,0.8", "--failures", "10%", "--seed", "7", "--against", "fair.toml", "-o", "json"];
    let [one, two] =
        ["one.svg", "two.svg"].map(|svg| simulate(&stage, &[&args[..], &["--svg", svg]].concat()).expect(0));
    assert_eq!(one.stdout, two.stdout);
    assert_eq!(stage.read("one.svg"), stage.read("two.svg"));
    let other = simulate(&stage, &[&args[..], &["--seed", "8"]].concat());
    assert_ne!(other.stdout, one.stdout);
}

#[test]
fn an_svg_is_well_formed_and_says_what_it_shows() {
    let stage = Stage::with(FLOW, (0..50).map(|n| format!(r#"{{"tenant":"<{}> & co","input":{{}}}}"#, n % 3)));
    simulate(&stage, &["--svg", "shares.svg", "--set", "executor.concurrency=4"]).expect(0);
    let svg = stage.read("shares.svg");
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && svg.contains("&lt;0&gt; &amp; co"), "{svg}");
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    assert!(svg.matches("<polygon ").count() == 3 && svg.matches("<polyline ").count() == 3);
    // A bar a job, and the frames.
    assert!(svg.matches("<rect ").count() >= 50);

    // What XML can not hold.
    stage.write("a\u{1}b.toml", "");
    simulate(&stage, &["--svg", "named.svg", "--config", "a\u{1}b.toml"]).expect(0);
    let svg = stage.read("named.svg");
    assert!(svg.contains("a\u{fffd}b.toml") && !svg.contains('\u{1}'), "{svg}");
}

#[test]
fn durations_come_from_an_expression_or_from_a_batch_that_ran() {
    let stage = stage();
    let by_jq = json(&stage, &["--config", "fifo.toml", "--durations", "jq:.input.n * 2"]);
    assert_eq!(by_jq["runs"][0]["makespan_seconds"], 870.0);
    stage.run(&["--config", "fifo.toml", "--batch", "earlier"]).expect(0);
    let known = json(&stage, &["--config", "fifo.toml", "--durations", "from:earlier"]);
    let took: f64 = stage
        .batchmill(&["results", "earlier", "-o", "jsonl"])
        .expect(0)
        .results()
        .iter()
        .map(|result| result["duration_seconds"].as_f64().unwrap())
        .sum();
    let makespan = known["runs"][0]["makespan_seconds"].as_f64().unwrap();
    assert!((makespan - took).abs() < 0.05, "{makespan} of {took}");
    simulate(&stage, &["--durations", "from:nobody"]).expect(65).says("there is no batch `nobody`");
}

#[test]
fn what_cannot_be_played_is_refused_with_its_place() {
    let stage = stage();
    simulate(&stage, &["--durations", "soon"]).expect(2).says("write cost:1s, fixed:2s");
    simulate(&stage, &["--durations", "jq:.input.n +"]).expect(2).says("--durations jq: ");
    simulate(&stage, &["--durations", "jq:.input.n - 5"])
        .expect(65)
        .says("a length is a number of seconds, 0 or more, not -5");
    simulate(&stage, &["--durations", "jq:.input"])
        .expect(65)
        .says("job 1: a length is a number of seconds or a duration");
    simulate(&stage, &["--failures", "5"]).expect(2).says("write a part in percent");
    stage.write("bad.toml", "[scheduler]\nkind = \"fiffo\"\n");
    simulate(&stage, &["--against", "bad.toml"]).expect(78).says("bad.toml:2:8: ").says("fifo");
    stage.write("jobs.jsonl", "{\"priority\": 256, \"input\": {}}\n");
    simulate(&stage, &[]).expect(65).says("jobs.jsonl:1");
}

#[test]
fn retries_rules_and_deadlines_are_played() {
    let stage = stage();
    let failing = json(
        &stage,
        &["--failures", "100%", "--set", "failure.options.rules=[\"soon,fail=3\"]", "--config", "fifo.toml"],
    );
    let run = &failing["runs"][0];
    assert_eq!((&run["verdict"], &run["counts"]["skipped"]), (&"halted".into(), &27.into()), "{run}");
    // Who backs off holds no slot: all jobs have failed twice when the first three fail for good.
    assert_eq!((&run["attempts"], &run["retries"]), (&63.into(), &60.into()));
    let late = json(&stage, &["--config", "fifo.toml", "--deadline", "10s"]);
    assert_eq!(late["runs"][0]["verdict"], "deadline_passed");
    assert_eq!(late["runs"][0]["counts"]["succeeded"], 10);
}

#[test]
fn limits_and_shares_are_played_under_each_config_and_what_is_not_is_told() {
    let stage = stage();
    stage.write(
        "free.toml",
        "[executor]\nconcurrency = 10\nmemory_limit = \"1GiB\"\n[scheduler]\n\
                              kind = \"fair-share\"\noptions = { charge = \"memory\" }\n",
    );
    stage.write("one.toml", "[executor]\nconcurrency = 10\n[[limits]]\nkey = \".tenant\"\nconcurrency = 1\n");
    stage.write("rate.toml", "[executor]\nconcurrency = 10\n[[limits]]\nrate = \"1/s\"\n");
    let report = json(&stage, &["--config", "free.toml", "--against", "one.toml", "--against", "rate.toml"]);
    let runs = report["runs"].as_array().unwrap();
    let makespans: Vec<f64> = runs.iter().map(|run| run["makespan_seconds"].as_f64().unwrap()).collect();
    // 30 jobs of 1 s: ten at a time; one of each tenant at a time, 20 of the longer; one a second, the last begins after 29.
    assert_eq!(makespans, [3.0, 20.0, 30.0], "{report}");
    assert_eq!(runs[0]["not_played"], serde_json::json!(["executor.memory_limit", "scheduler.options.charge"]));

    // Ten of each third, one at a time; 45 tokens, five at once and then five a second.
    stage.write(
        "thirds.toml",
        "[executor]\nconcurrency = 10\n[[limits]]\nkey = \".input.n % 3 | tostring\"\nconcurrency = 1\n",
    );
    stage.write(
        "units.toml",
        "[executor]\nconcurrency = 10\n[[limits]]\nrate = \"5/s\"\nunits = \".input.n % 2 + 1\"\n",
    );
    let report = json(&stage, &["--config", "thirds.toml", "--against", "units.toml"]);
    let makespans: Vec<_> = report["runs"].as_array().unwrap().iter().map(|run| &run["makespan_seconds"]).collect();
    assert_eq!(makespans, [10.0, 9.0], "{report}");
    let piped = std::fs::File::open(stage.path("jobs.jsonl")).unwrap();
    let mut command = stage.command(&["simulate", "flow.yaml", "-", "--against", "one.toml"]);
    let refused = command.stdin(piped).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && said.contains("one.toml makes keys of jobs"), "{said}");
}
