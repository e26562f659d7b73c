//! `csv` against the sink kit, its config and real files.

use std::{fs, os::unix::fs::FileExt, path::Path};

use batchmill_core::{BatchId, BuildError, ErrorClass, JobResult, ResultSink, Resumed, Status};
use batchmill_plugin::Registry;
use batchmill_sink_csv::register;
use batchmill_testkit::{
    ResultBuilder,
    sink::{self, Maker, Subject},
};
use serde_json::{Value, json};

/// As hosts make them.
fn sinks() -> Maker {
    let mut registry = Registry::default();
    register(&mut registry);
    Maker::new(registry.get::<dyn ResultSink>("csv").unwrap().clone())
}

/// Every field, and a column that is computed.
fn whole() -> Value {
    let mut columns: Vec<Value> = FIELDS.iter().map(|(name, _)| json!(name)).collect();
    columns.push(json!("computed"));
    json!({"path": "results.csv", "columns": columns, "expressions": {"computed": ".sequence * 2"}})
}

/// The columns that are fields, and where records have them.
const FIELDS: [(&str, &str); 17] = [
    ("batch", "/batch"),
    ("job_id", "/job_id"),
    ("sequence", "/sequence"),
    ("tenant", "/tenant"),
    ("priority", "/priority"),
    ("status", "/status"),
    ("output", "/output"),
    ("error_class", "/error/class"),
    ("error_code", "/error/code"),
    ("error_node", "/error/node"),
    ("error_message", "/error/message"),
    ("attempts", "/attempts"),
    ("queued_at", "/queued_at"),
    ("started_at", "/started_at"),
    ("finished_at", "/finished_at"),
    ("queue_seconds", "/queue_seconds"),
    ("duration_seconds", "/duration_seconds"),
];

/// The row of a record: numbers as numbers, so that `0` and `0.0` are the same.
fn row(record: &Value) -> Value {
    let text = |(_, pointer): &(&str, &str)| match record.pointer(pointer).unwrap_or(&Value::Null) {
        Value::Null => json!(""),
        Value::String(text) => json!(text),
        Value::Number(number) => json!(number.as_f64()),
        other => json!(other.to_string()),
    };
    let mut row: Vec<Value> = FIELDS.iter().map(text).collect();
    row.push(json!(record["sequence"].as_f64().map(|number| number * 2.0)));
    Value::Array(row)
}

fn rows(path: &Path) -> Vec<csv::StringRecord> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "the last row is whole");
    csv::Reader::from_reader(text.as_bytes()).records().map(Result::unwrap).collect()
}

fn stored(path: &Path) -> Vec<Value> {
    let numbers = [2, 4, 11, 15, 16, 17];
    let value = |(place, text): (usize, &str)| match numbers.contains(&place) {
        true => json!(text.parse::<f64>().unwrap()),
        false => json!(text),
    };
    rows(path).iter().map(|row| row.iter().enumerate().map(value).collect()).collect()
}

#[test]
fn a_file_keeps_the_contract() {
    sink::run(|| {
        let folder = tempfile::tempdir().unwrap();
        let sink = sinks().build(whole(), folder.path()).unwrap();
        let (path, later) = (folder.path().join("results.csv"), folder.path().to_owned());
        Subject::boxed(sink, move || {
            let _kept = &folder;
            stored(&path)
        })
        .keeping(|records| records.iter().map(row).collect())
        .resumed_by(move || sinks().rebuild(whole(), &later))
    })
    .assert_passed();
}

fn results(places: std::ops::Range<u64>) -> Vec<JobResult> {
    places.map(|place| ResultBuilder::new(place).output(json!({"text": "\n\""})).build()).collect()
}

fn places(path: &Path) -> Vec<u64> {
    rows(path).iter().map(|row| row[0].parse().unwrap()).collect()
}

fn lines() -> Value {
    json!({"path": "results.csv", "columns": ["sequence", "text"], "expressions": {"text": ".output.text"}})
}

/// Whatever a host left of its last call, whichever of its marks was recorded: each job has exactly one row in the end, and
/// the file one header.
#[tokio::test]
async fn a_host_that_dies_at_any_byte_leaves_one_row_a_job() {
    let folder = tempfile::tempdir().unwrap();
    let (batch, path) = (BatchId::new("b").unwrap(), folder.path().join("results.csv"));
    let mut sink = sinks().build(lines(), folder.path()).unwrap();
    let mut marks = vec![(0, sink.mark().unwrap())];
    for upto in 1..=4 {
        sink.write(&batch, &results(upto - 1..upto)).await.unwrap();
        marks.push((upto, sink.mark().unwrap()));
    }
    drop(sink);
    let whole = fs::read(&path).unwrap();
    for bytes in 0..=whole.len() {
        for (marked, mark) in &marks {
            // Written over, not emptied or replaced: it is the same file, and the disk need not be asked.
            let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
            file.write_all_at(&whole, 0).unwrap();
            file.set_len(bytes as u64).unwrap();
            let mut sink = sinks().rebuild(lines(), folder.path());
            let begins = match sink.resume(Some(mark)).await.unwrap() {
                Resumed::AtMark => *marked,
                _ => 0,
            };
            sink.write(&batch, &results(begins..6)).await.unwrap();
            assert_eq!(places(&path), [0, 1, 2, 3, 4, 5], "{bytes} bytes were there, the mark was {mark}");
        }
    }
}

#[tokio::test]
async fn a_batch_that_goes_on_with_other_columns_gets_a_file_of_one_form() {
    let folder = tempfile::tempdir().unwrap();
    let (batch, path) = (BatchId::new("b").unwrap(), folder.path().join("results.csv"));
    let mut sink = sinks().build(lines(), folder.path()).unwrap();
    sink.write(&batch, &results(0..2)).await.unwrap();
    let mark = sink.mark().unwrap();
    sink.close().await.unwrap();
    for other in [
        json!({"path": "results.csv", "columns": ["sequence", "status"]}),
        json!({"path": "results.csv", "columns": ["sequence", "text"], "expressions": {"text": ".job_id"}}),
    ] {
        let mut sink = sinks().rebuild(other, folder.path());
        assert_eq!(sink.resume(Some(&mark)).await.unwrap(), Resumed::Empty);
        drop(sink);
        fs::write(&path, "").unwrap();
    }
}

#[tokio::test]
async fn another_file_under_its_name_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.csv");
    let mut sink = sinks().build(lines(), folder.path()).unwrap();
    sink.write(&BatchId::new("b").unwrap(), &results(0..2)).await.unwrap();
    let mark = sink.mark().unwrap();
    drop(sink);
    let precious = "precious\n".repeat(500);
    fs::OpenOptions::new().write(true).open(&path).unwrap().write_all_at(precious.as_bytes(), 0).unwrap();
    let error = sinks().rebuild(lines(), folder.path()).resume(Some(&mark)).await.unwrap_err();
    assert!(error.message.contains("is not the file that this batch wrote to"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), precious);
}

async fn written(options: Value, results: &[JobResult]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = sinks().build(options, folder.path()).unwrap();
    sink.write(&BatchId::new("b").unwrap(), results).await.unwrap();
    sink.close().await.unwrap();
    fs::read_to_string(folder.path().join("results.csv")).unwrap()
}

#[tokio::test]
async fn every_field_has_its_column() {
    let millis = std::time::Duration::from_millis;
    let result = ResultBuilder::new(3)
        .id("a")
        .tenant("team")
        .priority(7)
        .ended(Status::Failed, ErrorClass::Permanent, "it, \"broke\"", 2)
        .took(millis(12), millis(34))
        .build();
    let text = written(json!({"path": "results.csv"}), &[result]).await;
    let (header, row) = text.split_once('\n').unwrap();
    assert_eq!(
        header,
        "batch,job_id,sequence,tenant,priority,status,output,error_class,error_code,error_node,error_message,attempts,\
         queued_at,started_at,finished_at,queue_seconds,duration_seconds"
    );
    assert!(row.starts_with("b,a,3,team,7,failed,,permanent,"), "{row}");
    assert!(row.contains(",\"it, \"\"broke\"\"\",2,") && row.ends_with("Z,0.012,0.034\n"), "{row}");
}

#[tokio::test]
async fn delimiter_line_end_and_header_are_chosen() {
    let result = ResultBuilder::new(0).output(json!("a;b")).build();
    let options = json!({
        "path": "results.csv", "columns": ["sequence", "output", "n"], "expressions": {"n": "null"},
        "delimiter": ";", "line_end": "crlf", "header": false,
    });
    assert_eq!(written(options, &[result]).await, "0;\"a;b\";\r\n");
}

#[tokio::test]
async fn a_batch_without_results_has_its_header() {
    assert_eq!(written(json!({"path": "results.csv", "columns": ["job_id", "status"]}), &[]).await, "job_id,status\n");
}

#[tokio::test]
async fn an_expression_that_fails_leaves_its_value_empty() {
    let results = [
        ResultBuilder::new(0).output(json!({"bytes": 2048})).build(),
        ResultBuilder::new(1).ended(Status::Failed, ErrorClass::Permanent, "no", 1).build(),
    ];
    let options =
        json!({"path": "results.csv", "columns": ["sequence", "kib"], "expressions": {"kib": ".output.bytes / 1024"}});
    assert_eq!(written(options, &results).await, "sequence,kib\n0,2\n1,\n");
}

#[tokio::test]
async fn what_is_there_is_refused_unless_it_may_be_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.csv");
    fs::write(&path, "precious\n").unwrap();
    let error = sinks().build(json!({"path": "results.csv"}), folder.path()).unwrap_err().to_string();
    assert!(error.ends_with("name another file, remove it, or set `overwrite = true`"), "{error}");
    let options = json!({"path": "results.csv", "overwrite": true, "columns": ["sequence"]});
    let mut sink = sinks().build(options, folder.path()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious\n", "a sink that is built does nothing yet");
    sink.write(&BatchId::new("b").unwrap(), &results(0..2)).await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "sequence\n0\n1\n");
}

#[test]
fn wrong_options_are_refused_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let problems = |options: Value| {
        let BuildError::Options(problems) = sinks().build(options, folder.path()).unwrap_err() else {
            panic!("not the options")
        };
        problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        problems(json!({
            "path": "", "colums": [], "delimiter": "\"", "columns": ["job_id", "job_id", "statsu", "size", "n", "v", "status"],
            "expressions": {"n": ".a |", "v": "$input.x", "unused": ".", "status": "1"},
        })),
        [
            "colums: unknown key `colums`, did you mean `columns`?",
            "columns.1: `job_id` is there twice",
            "columns.2: `statsu` is no field of results and has no expression; did you mean `status`?",
            "columns.3: `size` is no field of results and has no expression; give it jq as `expressions.size`",
            "expressions.n: expected an expression, found the end",
            "expressions.v: `$input` has no value here; `.` is the result",
            "columns.6: `status` is a field of results and has `expressions.status`: rename that",
            "expressions.unused: is not among `columns`, so nobody would see it",
            "path: must name a file",
            "delimiter: must be one ASCII character, and neither a quote nor the end of a line",
        ]
    );
    assert_eq!(problems(json!({"path": "x", "columns": []})), ["columns: must name a column at least"]);
    assert_eq!(problems(json!({"path": "x", "delimiter": "é"})).len(), 1);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is made for options that are refused");
}
