//! `jsonl` against the sink kit, its config and real files.

use std::{fs, path::Path};

use batchmill_core::{BatchId, BuildContext, BuildError, Options as Table, ResultSink};
use batchmill_plugin::Registry;
use batchmill_sink_jsonl::{JsonLinesWriter, register};
use batchmill_testkit::{
    ResultBuilder,
    sink::{self, Subject},
};
use serde_json::{Value, json};

fn table(json: Value) -> Table {
    match json {
        Value::Object(table) => table,
        other => panic!("options are an object, not {other}"),
    }
}

fn build(options: Value, folder: &Path) -> Result<Box<dyn ResultSink>, BuildError> {
    let mut registry = Registry::default();
    register(&mut registry);
    let factory = registry.get::<dyn ResultSink>("jsonl").unwrap();
    factory.build(&table(options), &BuildContext::new(folder))
}

fn records(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is whole");
    text.split_terminator('\n').map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_file_keeps_the_contract() {
    sink::run(|| {
        let folder = tempfile::tempdir().unwrap();
        let sink = build(json!({"path": "results.jsonl"}), folder.path()).unwrap();
        Subject::boxed(sink, move || records(&folder.path().join("results.jsonl")))
    })
    .assert_passed();
}

#[test]
fn a_stream_keeps_the_contract() {
    sink::run(|| {
        let file = tempfile::NamedTempFile::new().unwrap();
        let sink = JsonLinesWriter::new("a stream", file.reopen().unwrap());
        Subject::new(sink, move || records(file.path()))
    })
    .assert_passed();
}

async fn write_one(sink: &mut dyn ResultSink) {
    sink.write(&BatchId::new("b").unwrap(), &[ResultBuilder::new(0).build()]).await.unwrap();
    sink.close().await.unwrap();
}

#[tokio::test]
async fn a_file_with_content_is_refused_with_the_mend_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.jsonl");
    fs::write(&path, "precious\n").unwrap();
    let error = build(json!({"path": "results.jsonl"}), folder.path()).unwrap_err().to_string();
    assert!(error.starts_with(path.to_str().unwrap()), "{error}");
    assert!(
        error.ends_with("exists and is not empty: name another file, remove it, or set `overwrite = true`"),
        "{error}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious\n");
}

#[tokio::test]
async fn an_empty_file_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.jsonl");
    fs::write(&path, "").unwrap();
    write_one(&mut *build(json!({"path": path}), Path::new("/nowhere")).unwrap()).await;
    assert_eq!(records(&path).len(), 1);
}

#[tokio::test]
async fn overwrite_empties_the_file_with_the_first_call_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.jsonl");
    fs::write(&path, "old\n".repeat(1000)).unwrap();
    let mut sink = build(json!({"path": "results.jsonl", "overwrite": true}), folder.path()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap().len(), 4000, "a sink that is built does nothing yet");
    write_one(&mut *sink).await;
    assert_eq!(records(&path).len(), 1);
}

#[tokio::test]
async fn overwrite_empties_the_file_for_a_batch_without_results_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.jsonl");
    fs::write(&path, "old\n").unwrap();
    build(json!({"path": "results.jsonl", "overwrite": true}), folder.path()).unwrap().close().await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
}

#[test]
fn places_that_cannot_be_written_are_refused_when_the_sink_is_built() {
    let folder = tempfile::tempdir().unwrap();
    for (path, reason) in [("missing/results.jsonl", "No such file or directory"), (".", "Is a directory")] {
        let error = build(json!({"path": path}), folder.path()).unwrap_err().to_string();
        assert!(error.starts_with("cannot open ") && error.contains(reason), "{error}");
    }
}

#[test]
fn wrong_options_are_refused_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    for (wrong, message) in [
        (json!({}), "missing field `path`"),
        (json!({"path": ""}), "path: must name a file"),
        (json!({"path": 5}), "path: invalid type: integer `5`, expected path string"),
        (json!({"path": "x", "overwite": true}), "overwite: unknown key `overwite`, did you mean `overwrite`?"),
        (json!({"path": "x", "overwrite": "yes"}), "overwrite: invalid type: string \"yes\", expected a boolean"),
    ] {
        let BuildError::Options(problems) = build(wrong, folder.path()).unwrap_err() else { panic!("{message}") };
        assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [message]);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is made for options that are refused");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_is_told_with_the_place() {
    let mut sink = build(json!({"path": "/dev/full"}), Path::new("/")).unwrap();
    let result = ResultBuilder::new(0).build();
    let error = sink.write(&BatchId::new("b").unwrap(), &[result]).await.unwrap_err();
    assert!(error.message.starts_with("/dev/full: No space left on device"), "{error}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_is_no_file_is_written_without_being_synced() {
    write_one(&mut *build(json!({"path": "/dev/null"}), Path::new("/")).unwrap()).await;
}
