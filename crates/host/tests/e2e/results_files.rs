//! Results in other forms: as CSV, and what they come to.

use serde_json::{Value, json};

use crate::stage::{Stage, wait_until};

/// Jobs of two tenants that say how large they are; the second half waits at a gate, and one fails.
fn sized() -> Stage {
    let nodes = "  size:\n    run: [sh, -c, 'test $1 -le 5 || { touch waits.$1; read line < gate; }; test $1 != 3 && echo $1', sh, '${ .n }']\n    \
                 output: '{bytes: (.stdout | tonumber)}'\n";
    let jobs = (1..=9).map(|n| {
        format!(r#"{{"id":"a, \"{n}\"","input":{{"n":{n}}},"tenant":"{}"}}"#, if n % 2 == 0 { "even" } else { "odd" })
    });
    let stage = Stage::with(nodes, jobs);
    stage.make_gate();
    stage.write(
        "batchmill.toml",
        r#"
[[sinks]]
kind = "csv"
[sinks.options]
path = "results.csv"
columns = ["job_id", "status", "twice", "error_message"]
expressions = { twice = ".output.bytes * 2" }

[[sinks]]
kind = "aggregate"
[sinks.options]
path = "sums.json"
aggregates = [
    { name = "tenants", group = ".tenant", statistics = ["count"] },
    { name = "bytes", where = '.status == "succeeded"', value = ".output.bytes", statistics = ["count", "sum", "max"] },
]
"#,
    );
    stage
}

fn summary(report: &Value) -> &Value {
    let told = report["sinks"].as_array().unwrap();
    assert_eq!((told.len(), &told[0]["sink"]), (1, &json!("aggregate-1")), "a sink with nothing to say says nothing");
    &told[0]["summary"]
}

fn rows(stage: &Stage) -> Vec<String> {
    let text = stage.read("results.csv");
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    assert_eq!(lines.remove(0), "job_id,status,twice,error_message");
    lines.sort();
    lines
}

/// A host is killed in the middle, the next one is drained, and each result is counted once.
#[test]
fn each_result_is_a_row_and_counts_once_whatever_happens_to_hosts() {
    let stage = sized();
    let args = ["--max-attempts", "1", "--output", "out.jsonl", "--concurrency", "2", "--report", "report.json"];
    let first = stage.start(&args);
    wait_until("two jobs at the gate", || stage.count("waits.") == 2);
    first.signal("KILL");
    first.end();
    let second = stage.start(&args);
    // From here on it hears that it is to end as one that runs.
    second.wait_for("resumed: ");
    second.signal("TERM");
    let gate = stage.open_gate(9);
    second.end().expect(75);
    let half: Value = serde_json::from_str(&stage.read("report.json")).unwrap();
    let done = half["counts"]["succeeded"].as_u64().unwrap() + half["counts"]["failed"].as_u64().unwrap();
    assert_eq!(
        (summary(&half)["results"].as_u64(), rows(&stage).len() as u64),
        (Some(done), done),
        "of a batch that is drained too"
    );

    stage.run(&args).expect(1);
    drop(gate);
    let expected = (1..=9).map(|n| match n {
        3 => "\"a, \"\"3\"\"\",failed,,`sh` exited with status 1".to_owned(),
        n => format!("\"a, \"\"{n}\"\"\",succeeded,{},", n * 2),
    });
    assert_eq!(rows(&stage), expected.collect::<Vec<_>>());
    let report: Value = serde_json::from_str(&stage.read("report.json")).unwrap();
    let sums = summary(&report);
    assert_eq!(sums["aggregates"][0]["groups"], json!([{"key": "odd", "count": 5}, {"key": "even", "count": 4}]));
    assert_eq!(sums["aggregates"][1]["total"], json!({"count": 8, "sum": 42, "max": 9}));
    assert_eq!(sums, &serde_json::from_str::<Value>(&stage.read("sums.json")).unwrap());
}

#[test]
fn a_batch_that_is_not_stored_has_them_too() {
    let stage = sized();
    let _gate = stage.open_gate(9);
    stage
        .run(&["--max-attempts", "1", "--output", "out.jsonl", "--durability", "none", "--report", "report.json"])
        .expect(1);
    assert_eq!(rows(&stage).len(), 9);
    let report: Value = serde_json::from_str(&stage.read("report.json")).unwrap();
    assert_eq!(summary(&report)["aggregates"][1]["total"], json!({"count": 8, "sum": 42, "max": 9}));
}
