//! `aggregate` against the sink kit, its config and real files.

use std::{collections::BTreeMap, fs, path::Path};

use batchmill_core::{BatchId, BuildError, ErrorClass, JobResult, ResultSink, Resumed, Status};
use batchmill_plugin::Registry;
use batchmill_sink_aggregate::register;
use batchmill_testkit::{
    ResultBuilder,
    sink::{self, Maker, Subject},
};
use serde_json::{Value, json};

/// As hosts make them.
fn sinks() -> Maker {
    let mut registry = Registry::default();
    register(&mut registry);
    Maker::new(registry.get::<dyn ResultSink>("aggregate").unwrap().clone())
}

fn stored(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Counted again in the plainest way: results by status, and a sum, for the first batch that wrote.
fn counted(records: &[Value], key: &str) -> Value {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut groups: BTreeMap<String, u64> = BTreeMap::new();
    records.iter().for_each(|record| *groups.entry(text(&record[key])).or_default() += 1);
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by(|(a_key, a), (b_key, b)| b.cmp(a).then_with(|| a_key.cmp(b_key)));
    let groups: Vec<_> = groups.into_iter().map(|(key, count)| json!({"key": key, "count": count})).collect();
    let sum: u64 = records.iter().map(|record| record["sequence"].as_u64().unwrap()).sum();
    json!({
        "batch": records.first().map(|record| &record["batch"]),
        "results": records.len(),
        "aggregates": [
            {"name": "groups", "total": {"count": records.len()}, "groups": groups, "other": null, "failed": null},
            {"name": "sum", "total": {"sum": sum, "reduced": sum}, "failed": null},
        ],
    })
}

fn counting(key: &str) -> Value {
    json!({"path": "sums.json", "aggregates": [
        {"name": "groups", "group": format!(".{key}"), "statistics": ["count"], "groups_max": 100_000},
        {"name": "sum", "value": ".sequence", "statistics": ["sum"], "reduce": {"initial": 0, "update": ". + $item.sequence"}},
    ]})
}

/// Few groups, whose state is in the mark, and as many as there are results, which are counted anew on a resume.
#[test]
fn a_file_keeps_the_contract() {
    for key in ["status", "job_id"] {
        sink::run(|| {
            let folder = tempfile::tempdir().unwrap();
            let sink = sinks().build(counting(key), folder.path()).unwrap();
            let (path, later) = (folder.path().join("sums.json"), folder.path().to_owned());
            Subject::boxed(sink, move || {
                let _kept = &folder;
                let mut stored = stored(&path);
                if stored["results"] == 0 {
                    // A later host knows which batch it is before the first result says so.
                    stored["batch"] = Value::Null;
                }
                vec![stored]
            })
            .keeping(|records| vec![counted(records, key)])
            .resumed_by(move || sinks().rebuild(counting(key), &later))
        })
        .assert_passed();
    }
}

fn batch() -> BatchId {
    BatchId::new("b").unwrap()
}

fn result(place: u64, tenant: &str, millis: u64) -> JobResult {
    let millis = std::time::Duration::from_millis(millis);
    ResultBuilder::new(place).tenant(tenant).output(json!({"n": place})).took(millis, millis).build()
}

/// What one aggregate says of results.
async fn of(aggregate: Value, results: &[JobResult]) -> Value {
    let mut sink = sinks().build(json!({"aggregates": [aggregate]}), Path::new("/nowhere")).unwrap();
    sink.write(&batch(), results).await.unwrap();
    sink.close().await.unwrap();
    sink.summary().unwrap()["aggregates"][0].clone()
}

#[tokio::test]
async fn durations_are_what_is_looked_at_unless_something_else_is_said() {
    let results: Vec<_> = (1..=100).map(|n| result(n, "team", n * 10)).collect();
    let found = of(json!({"name": "durations"}), &results).await;
    let total = found["total"].as_object().unwrap();
    let number = |name: &str| total[name].as_f64().unwrap();
    assert_eq!(total.keys().collect::<Vec<_>>(), ["count", "sum", "mean", "min", "max", "p50", "p90", "p99"]);
    assert_eq!((&total["count"], number("sum"), number("mean")), (&json!(100), 50.5, 0.505));
    assert_eq!((number("min"), number("max")), (0.01, 1.0));
    for (name, exact) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)] {
        assert!((number(name) / exact - 1.0).abs() <= 0.01, "{name} is {}", number(name));
    }
    assert_eq!((found.get("groups"), &found["failed"]), (None, &Value::Null));
}

#[tokio::test]
async fn groups_beyond_the_bound_are_counted_together() {
    let long = "x".repeat(300);
    let mut results: Vec<_> =
        ["a", "b", "a", "c", "d", "a"].iter().enumerate().map(|(n, t)| result(n as u64, t, 10)).collect();
    results.push(ResultBuilder::new(9).output(json!({"key": long})).tenant("e").build());
    let options = json!({"name": "t", "group": ".tenant", "groups_max": 2, "statistics": ["count"]});
    let found = of(options, &results).await;
    assert_eq!(found["groups"], json!([{"key": "a", "count": 3}, {"key": "b", "count": 1}]));
    assert_eq!((&found["other"], &found["total"]), (&json!({"count": 3}), &json!({"count": 7})));
    let found = of(json!({"name": "k", "group": ".output.key", "statistics": ["count"]}), &results).await;
    assert_eq!((&found["groups"], &found["other"]), (&json!([{"key": "null", "count": 6}]), &json!({"count": 1})));
}

#[tokio::test]
async fn what_an_expression_fails_for_is_in_no_number_and_told() {
    let failed = ResultBuilder::new(2).id("bad").ended(Status::Failed, ErrorClass::Permanent, "no", 1).build();
    let results = [result(1, "a", 10), failed, result(3, "a", 10)];
    for (options, message) in [
        (json!({"value": ".output.n + \"x\""}), "cannot calculate 1 + \"x\""),
        (json!({"value": ".tenant"}), "the value is no number: \"a\""),
        (json!({"group": "{a: 1}"}), "the group is no text and no number: {\"a\":1}"),
        (json!({"reduce": {"initial": "", "update": ". + \"x\" * 70000"}}), "the reduction is larger than 64 KiB"),
        (json!({"reduce": {"initial": "", "update": "empty"}}), "the reduction yields nothing"),
    ] {
        let mut options = options;
        options["name"] = json!("x");
        options["statistics"] = json!(["count"]);
        let found = of(options, &results).await;
        assert_eq!((&found["total"]["count"], &found["failed"]["results"]), (&json!(0), &json!(3)), "{found}");
        assert!(found["failed"]["first"].as_str().unwrap().starts_with(&format!("job 2: {message}")), "{found}");
    }
    let found = of(
        json!({"name": "x", "where": ".output.n + 1 > 2", "statistics": ["count", "values"], "value": ".output.n"}),
        &results,
    )
    .await;
    assert_eq!(
        (&found["total"], &found["failed"]),
        (&json!({"count": 1, "values": 1}), &Value::Null),
        "null + 1 is 1 in jq"
    );
}

#[tokio::test]
async fn a_reduction_sees_results_in_order_whole_and_by_group() {
    let results = [result(1, "a", 1), result(2, "b", 1), result(3, "a", 1)];
    let options =
        json!({"name": "ids", "group": ".tenant", "reduce": {"initial": [], "update": ". + [$item.output.n]"}});
    let found = of(options, &results).await;
    assert_eq!(found["total"], json!({"count": 3, "reduced": [1, 2, 3]}));
    assert_eq!(
        found["groups"],
        json!([{"key": "a", "count": 2, "reduced": [1, 3]}, {"key": "b", "count": 1, "reduced": [2]}])
    );
}

#[tokio::test]
async fn a_batch_that_goes_on_counts_each_result_once_wherever_its_host_died() {
    let folder = tempfile::tempdir().unwrap();
    let options = || json!({"path": "sums.json", "aggregates": [{"name": "d", "group": ".tenant"}]});
    let results: Vec<_> = (0..40).map(|n| result(n, if n % 3 == 0 { "a" } else { "b" }, 7 * n + 1)).collect();
    let mut whole = sinks().build(json!({"aggregates": options()["aggregates"].clone()}), folder.path()).unwrap();
    whole.write(&batch(), &results).await.unwrap();
    let (mut sink, mut from) = (sinks().build(options(), folder.path()).unwrap(), 0);
    let mut kept = 0;
    for upto in [3, 9, 20, 40] {
        sink.write(&batch(), &results[from..upto]).await.unwrap();
        let mark = sink.mark().unwrap();
        // Written after the mark, on the disk, and to be taken back.
        sink.write(&batch(), &results[..2]).await.unwrap();
        sink.flush().await.unwrap();
        sink = sinks().rebuild(options(), folder.path());
        from = match sink.resume(Some(&mark)).await.unwrap() {
            Resumed::AtMark => upto,
            _ => 0,
        };
        kept += u32::from(from > 0);
    }
    assert!(kept > 0, "a small state is kept in the mark");
    sink.write(&batch(), &results[from..]).await.unwrap();
    sink.close().await.unwrap();
    assert_eq!(sink.summary(), whole.summary());
    assert_eq!(Some(stored(&folder.path().join("sums.json"))), whole.summary());
}

#[tokio::test]
async fn other_options_count_anew() {
    let folder = tempfile::tempdir().unwrap();
    let options = |name: &str| json!({"path": "sums.json", "aggregates": [{"name": name}]});
    let mut sink = sinks().build(options("one"), folder.path()).unwrap();
    sink.write(&batch(), &[result(1, "a", 1)]).await.unwrap();
    let mark = sink.mark().unwrap();
    assert_eq!(sinks().rebuild(options("one"), folder.path()).resume(Some(&mark)).await.unwrap(), Resumed::AtMark);
    assert_eq!(sinks().rebuild(options("two"), folder.path()).resume(Some(&mark)).await.unwrap(), Resumed::Empty);
}

#[tokio::test]
async fn a_file_of_somebody_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sums.json");
    let options = |overwrite: bool| json!({"path": "sums.json", "overwrite": overwrite, "aggregates": [{"name": "d"}]});
    let other = "{\"batch\": \"other\", \"results\": 1, \"aggregates\": []}";
    for precious in ["precious\n", other] {
        fs::write(&path, precious).unwrap();
        let error = sinks().build(options(false), folder.path()).unwrap_err().to_string();
        assert!(error.ends_with("name another file, remove it, or set `overwrite = true`"), "{error}");
        let mut later = sinks().rebuild(options(false), folder.path());
        later.write(&batch(), &[result(1, "a", 1)]).await.unwrap();
        let error = later.flush().await.unwrap_err();
        assert!(error.message.contains("is not the file that this batch wrote to") && !error.temporary, "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), precious);
    }
    let mut sink = sinks().build(options(true), folder.path()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), other, "a sink that is built does nothing yet");
    sink.close().await.unwrap();
    assert_eq!(stored(&path)["results"], 0);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn wrong_options_are_refused_with_their_place() {
    let problems = |options: Value| {
        let BuildError::Options(problems) = sinks().build(options, Path::new("/nowhere")).unwrap_err() else {
            panic!("not the options")
        };
        problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        problems(json!({
            "path": "", "aggregates": [
                {"name": "a", "where": ".a |", "group": "$input", "value": "lenght", "groups_max": 0},
                {"name": "a", "statistics": ["p101", "medain", "mena", "px"], "reduce": {"update": "$job"}},
                {"name": "", "grup": ".x"},
            ],
        })),
        [
            "aggregates.2.grup: unknown key `grup`, did you mean `group`?",
            "path: must name a file",
            "aggregates.0.groups_max: must be from 1 to 100000",
            "aggregates.0.where: expected an expression, found the end",
            "aggregates.0.group: `$input` has no value here; `.` is the result",
            "aggregates.0.value: unknown function `lenght`, did you mean `length`?",
            "aggregates.1.reduce.update: `$job` has no value here; `.` is the value before, `$item` the result",
            "aggregates.1.statistics.0: `p101`: a percentile is above 0 and at most 100",
            "aggregates.1.statistics.1: unknown statistic `medain`, did you mean `mean`?",
            "aggregates.1.statistics.2: unknown statistic `mena`, did you mean `mean`?",
            "aggregates.1.statistics.3: unknown statistic `px`, did you mean `p50`?",
            "aggregates.1.name: `a` is there twice",
            "aggregates.2.name: must not be empty",
        ]
    );
    assert_eq!(
        problems(json!({"overwrite": true, "aggregates": []})),
        ["overwrite: means nothing without `path`: there is no file", "aggregates: must have one at least"]
    );
    assert_eq!(problems(json!({"path": "x"})), ["missing field `aggregates`"]);
}
