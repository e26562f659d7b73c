//! Batches of every size come back whole.

use std::collections::{BTreeMap, BTreeSet};

use crate::stage::{Stage, field};

const ECHO: &str = "  say:\n    run: [printf, '%s', '${ .n }']\n    output: '{said: (.stdout | tonumber)}'\n";

fn numbers(count: u64) -> impl Iterator<Item = String> {
    (1..=count).map(|n| format!(r#"{{"n":{n}}}"#))
}

#[test]
fn no_job_is_a_batch_that_succeeds() {
    let done = Stage::with(ECHO, numbers(0)).run(&[]).expect(0).says("0 jobs");
    assert_eq!(done.stdout, "");
}

#[test]
fn one_job() {
    let done = Stage::with(ECHO, numbers(1)).run(&[]).expect(0);
    let results = done.results();
    assert_eq!(results.len(), 1);
    let result = &results[0];
    assert_eq!((result["job_id"].as_str(), result["sequence"].as_u64()), (Some("1"), Some(0)));
    assert_eq!((result["status"].as_str(), result["attempts"].as_u64()), (Some("succeeded"), Some(1)));
    assert_eq!(result["output"], serde_json::json!({"n": 1, "said": 1}));
    assert!(result["batch"].as_str().unwrap().starts_with("test-"));
    assert!(result["error"].is_null());
}

#[test]
fn five_hundred_jobs_each_have_one_result() {
    let done = Stage::with(ECHO, numbers(500)).run(&[]).expect(0).says("500 jobs").says("500 succeeded");
    let results = done.results();
    let ids: BTreeSet<_> = field(&results, "job_id").into_iter().map(str::to_owned).collect();
    assert_eq!((results.len(), ids.len()), (500, 500));
    let sequences: BTreeSet<_> = results.iter().map(|r| r["sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences, (0..500).collect());
}

#[test]
fn a_thousand_distinct_inputs_come_back_under_their_own_ids() {
    let nodes = "  twice:\n    set: '{twice: (.n * 2)}'\n";
    let jobs = (0..1000).map(|n| format!(r#"{{"id":"job-{n}","input":{{"n":{n},"text":"line {n}"}}}}"#));
    let done = Stage::with(nodes, jobs).run(&[]).expect(0);
    let outputs: BTreeMap<_, _> =
        done.results().iter().map(|r| (r["job_id"].as_str().unwrap().to_owned(), r["output"].clone())).collect();
    assert_eq!(outputs.len(), 1000);
    for n in 0..1000 {
        let expected = serde_json::json!({"n": n, "text": format!("line {n}"), "twice": n * 2});
        assert_eq!(outputs[&format!("job-{n}")], expected);
    }
}

#[test]
fn concurrency_is_reached_and_never_exceeded() {
    // Each job takes a folder of its own and counts all that are there; the first ones wait until the limit is reached.
    let nodes = r#"  count:
    run:
      - sh
      - -c
      - |
        mkdir slot.$1 && ls -d slot.* | wc -l > seen.$1
        until [ -e full ]; do [ $(ls -d slot.* | wc -l) -ge 3 ] && touch full; done
        ls -d slot.* | wc -l >> seen.$1
        rmdir slot.$1
      - sh
      - ${ .n }
"#;
    let stage = Stage::with(nodes, numbers(40));
    stage.run(&["--concurrency", "3", "--timeout", "60s"]).expect(0);
    let seen = |n: u64| stage.read(&format!("seen.{n}")).split_whitespace().map(|c| c.parse::<u64>().unwrap()).max();
    let highest = (1..=40).filter_map(seen).max();
    assert_eq!(highest, Some(3));
}

#[test]
fn jobs_come_from_stdin_with_a_dash_or_without_an_argument() {
    let stage = Stage::with(ECHO, numbers(0));
    for args in [&["-"][..], &[]] {
        let done = stage.run_with_stdin(args, "{\"n\":1}\n\n{\"n\":3}\n").expect(0);
        let mut ids: Vec<_> = field(&done.results(), "job_id").into_iter().map(str::to_owned).collect();
        ids.sort();
        assert_eq!(ids, ["1", "3"], "blank lines count");
    }
}

#[test]
fn what_a_line_says_reaches_job_and_result() {
    let nodes =
        "  who:\n    set: '{id: $job.id, tenant: $job.tenant, priority: $job.priority, key: $job.idempotency_key}'\n";
    let jobs = [r#"{"id":"a","input":{},"tenant":"team","priority":9,"key":"my-key"}"#, r#"{"input":{}}"#];
    let done = Stage::with(nodes, jobs).run(&["--tenant", "others", "--priority", "4"]).expect(0);
    let mut results = done.results();
    results.sort_by_key(|r| r["sequence"].as_u64());
    assert_eq!(results[0]["output"], serde_json::json!({"id": "a", "tenant": "team", "priority": 9, "key": "my-key"}));
    assert_eq!((&results[0]["tenant"], &results[0]["priority"]), (&"team".into(), &9.into()));
    let own_key = format!("{}/2", results[1]["batch"].as_str().unwrap());
    assert_eq!(results[1]["output"], serde_json::json!({"id": "2", "tenant": "others", "priority": 4, "key": own_key}));
}
