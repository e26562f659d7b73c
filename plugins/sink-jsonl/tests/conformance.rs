//! `jsonl` against the sink kit, its config and real files.

use std::{fs, os::unix::fs::FileExt, path::Path};

use batchmill_core::{BatchId, BuildError, JobResult, ResultSink, Resumed};
use batchmill_plugin::Registry;
use batchmill_sink_jsonl::{JsonLinesWriter, register};
use batchmill_testkit::{
    ResultBuilder,
    sink::{self, Maker, Subject},
};
use serde_json::{Value, json};

/// As hosts make them.
fn sinks() -> Maker {
    let mut registry = Registry::default();
    register(&mut registry);
    Maker::new(registry.get::<dyn ResultSink>("jsonl").unwrap().clone())
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
        let sink = sinks().build(json!({"path": "results.jsonl"}), folder.path()).unwrap();
        let (path, later) = (folder.path().join("results.jsonl"), folder.path().to_owned());
        Subject::boxed(sink, move || {
            let _kept = &folder;
            records(&path)
        })
        .resumed_by(move || sinks().rebuild(json!({"path": "results.jsonl"}), &later))
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

fn results(places: std::ops::Range<u64>) -> Vec<JobResult> {
    places.map(|place| ResultBuilder::new(place).output(json!({"n": place})).build()).collect()
}

fn places(path: &Path) -> Vec<u64> {
    records(path).iter().map(|record| record["sequence"].as_u64().unwrap()).collect()
}

/// Whatever a host left of its last call, whichever of its marks was recorded: each job has exactly one line in the end.
#[tokio::test]
async fn a_host_that_dies_at_any_byte_leaves_one_line_a_job() {
    let folder = tempfile::tempdir().unwrap();
    let (batch, path) = (BatchId::new("b").unwrap(), folder.path().join("results.jsonl"));
    let mut sink = sinks().build(json!({"path": "results.jsonl"}), folder.path()).unwrap();
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
            let mut sink = sinks().rebuild(json!({"path": "results.jsonl"}), folder.path());
            let begins = match sink.resume(Some(mark)).await.unwrap() {
                Resumed::AtMark => *marked,
                _ => 0,
            };
            sink.write(&batch, &results(begins..6)).await.unwrap();
            assert_eq!(places(&path), [0, 1, 2, 3, 4, 5], "{bytes} bytes were there, the mark was {mark}");
        }
    }
}

/// What the file is found to be after a batch wrote two results to it, given what happened to it meanwhile.
async fn resumed_after(happens: impl FnOnce(&Path), options: Value) -> (Result<Resumed, String>, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.jsonl");
    let mut sink = sinks().build(json!({"path": "results.jsonl"}), folder.path()).unwrap();
    sink.write(&BatchId::new("b").unwrap(), &results(0..2)).await.unwrap();
    let mark = sink.mark().unwrap();
    sink.close().await.unwrap();
    happens(&path);
    let mut sink = sinks().rebuild(options, folder.path());
    let resumed = sink.resume(Some(&mark)).await.map_err(|error| {
        assert!(!error.temporary, "{error:?}");
        error.message.replace(folder.path().to_str().unwrap(), "FOLDER")
    });
    (resumed, fs::read_to_string(&path).unwrap())
}

#[tokio::test]
async fn a_file_that_vanished_is_written_anew() {
    let path = json!({"path": "results.jsonl"});
    let (resumed, text) = resumed_after(|path| fs::remove_file(path).unwrap(), path.clone()).await;
    assert_eq!((resumed, text.as_str()), (Ok(Resumed::Empty), ""));
    let (resumed, text) = resumed_after(|path| fs::write(path, "").unwrap(), path).await;
    assert_eq!((resumed, text.as_str()), (Ok(Resumed::Empty), ""));
}

#[tokio::test]
async fn another_file_under_its_name_is_refused_with_the_mend_and_left_alone() {
    let replaced = |path: &Path| {
        // Beside it first, so that it is not the same place on the disk.
        let other = path.with_extension("other");
        fs::write(&other, "precious\n").unwrap();
        fs::rename(&other, path).unwrap();
    };
    let rewritten = |path: &Path| fs::write(path, "precious\n".repeat(500)).unwrap();
    let refusal = "FOLDER/results.jsonl is not the file that this batch wrote to: move it away, name another file, or set \
                   `overwrite = true`; the results are in the store";
    let options = json!({"path": "results.jsonl"});
    let (resumed, text) = resumed_after(replaced, options.clone()).await;
    assert_eq!((resumed, text.as_str()), (Err(refusal.to_owned()), "precious\n"));
    let (resumed, text) = resumed_after(rewritten, options).await;
    assert_eq!((resumed, text), (Err(refusal.to_owned()), "precious\n".repeat(500)));
    let (resumed, text) = resumed_after(replaced, json!({"path": "results.jsonl", "overwrite": true})).await;
    assert_eq!((resumed, text.as_str()), (Ok(Resumed::Empty), ""), "whoever says so gets it");
}

#[tokio::test]
async fn a_file_that_is_as_it_was_goes_on_and_overwrite_changes_nothing_about_that() {
    for overwrite in [false, true] {
        let (resumed, text) = resumed_after(|_| {}, json!({"path": "results.jsonl", "overwrite": overwrite})).await;
        assert_eq!((resumed, text.lines().count()), (Ok(Resumed::AtMark), 2));
    }
}

#[tokio::test]
async fn a_sink_that_is_new_in_a_batch_that_goes_on_refuses_content() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.jsonl");
    fs::write(&path, "precious\n").unwrap();
    let mut sink = sinks().rebuild(json!({"path": "results.jsonl"}), folder.path());
    let error = sink.write(&BatchId::new("b").unwrap(), &results(0..1)).await.unwrap_err();
    assert!(error.message.ends_with("name another file, remove it, or set `overwrite = true`"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious\n");
    fs::write(&path, "").unwrap();
    write_one(&mut *sinks().rebuild(json!({"path": "results.jsonl"}), folder.path())).await;
    assert_eq!(places(&path), [0]);
}

#[tokio::test]
async fn a_mark_that_is_none_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = sinks().rebuild(json!({"path": "results.jsonl"}), folder.path());
    let error = sink.resume(Some("17")).await.unwrap_err();
    assert!(error.message.contains("results.jsonl: the mark of this file can not be read: "), "{error}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_is_no_file_has_no_marks() {
    let mut sink = sinks().rebuild(json!({"path": "/dev/null"}), Path::new("/"));
    assert_eq!((sink.mark(), sink.resume(None).await.unwrap()), (None, Resumed::AtMark));
    write_one(&mut *sink).await;
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
    let error = sinks().build(json!({"path": "results.jsonl"}), folder.path()).unwrap_err().to_string();
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
    write_one(&mut *sinks().build(json!({"path": path}), Path::new("/nowhere")).unwrap()).await;
    assert_eq!(records(&path).len(), 1);
}

#[tokio::test]
async fn overwrite_empties_the_file_with_the_first_call_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.jsonl");
    fs::write(&path, "old\n".repeat(1000)).unwrap();
    let mut sink = sinks().build(json!({"path": "results.jsonl", "overwrite": true}), folder.path()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap().len(), 4000, "a sink that is built does nothing yet");
    write_one(&mut *sink).await;
    assert_eq!(records(&path).len(), 1);
}

#[tokio::test]
async fn overwrite_empties_the_file_for_a_batch_without_results_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.jsonl");
    fs::write(&path, "old\n").unwrap();
    sinks().build(json!({"path": "results.jsonl", "overwrite": true}), folder.path()).unwrap().close().await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
}

#[test]
fn places_that_cannot_be_written_are_refused_when_the_sink_is_built() {
    let folder = tempfile::tempdir().unwrap();
    for (path, reason) in [("missing/results.jsonl", "No such file or directory"), (".", "Is a directory")] {
        let error = sinks().build(json!({"path": path}), folder.path()).unwrap_err().to_string();
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
        let BuildError::Options(problems) = sinks().build(wrong, folder.path()).unwrap_err() else {
            panic!("{message}")
        };
        assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [message]);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is made for options that are refused");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_is_told_with_the_place() {
    let mut sink = sinks().build(json!({"path": "/dev/full"}), Path::new("/")).unwrap();
    let result = ResultBuilder::new(0).build();
    let error = sink.write(&BatchId::new("b").unwrap(), &[result]).await.unwrap_err();
    assert!(error.message.starts_with("/dev/full: No space left on device"), "{error}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_is_no_file_is_written_without_being_synced() {
    write_one(&mut *sinks().build(json!({"path": "/dev/null"}), Path::new("/")).unwrap()).await;
}
