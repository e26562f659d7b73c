//! A disk that fills, and one that fails, without a disk.

use std::{path::Path, sync::Arc};

use batchmill_core::{Checkpoint, CheckpointId, JobId, JobResult, JournalAnswer, Position, Status};
use rusqlite::{Error, ffi};
use tokio::sync::{
    oneshot::{self, Receiver},
    watch,
};

use super::*;
use crate::{
    rows::Rows,
    schema,
    writer::{
        queue::Queue,
        request::{Appended, Entry, Kept, Put},
    },
};

/// The thread's work without the thread.
struct Bench {
    scribe: Scribe,
    shared: Shared,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(database::BATCH_FILE);
        let made = database::make(&path, &schema::BATCH).unwrap();
        made.execute_batch("INSERT INTO meta VALUES ('incarnation', 1), ('accepted', 0); PRAGMA journal_mode = WAL")
            .unwrap();
        drop(made);
        let connection = database::open(&path, &schema::BATCH).unwrap();
        let ground = Ground::of(&path).unwrap();
        let scribe = Scribe::new(connection, ground, 1, Durability::Fsync, Keep::Latest).unwrap();
        let shared = Shared { queue: Queue::new(), threads: scribe.threads(), broken: watch::Sender::new(None) };
        Self { scribe, shared, _folder: folder }
    }

    fn path(&self) -> &Path {
        self.scribe.ground.database()
    }

    /// The disk has room for `pages` more than there are.
    fn room_for(&mut self, pages: i64) {
        let connection = &self.scribe.connection;
        let count: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        let sql = format!("PRAGMA max_page_count = {}", count + pages);
        connection.query_row(&sql, [], |_| Ok(())).unwrap();
    }

    fn write(&mut self, requests: Vec<Request>) {
        self.scribe.write(requests.into_iter().map(Queued::from).collect(), &self.shared);
    }

    fn records(&self) -> i64 {
        self.scribe.connection.query_row("SELECT count(*) FROM record", [], |row| row.get(0)).unwrap()
    }
}

fn results(places: std::ops::Range<u64>) -> (Request, Receiver<Appended>) {
    let large = serde_json::Value::from("x".repeat(500));
    let result = |place| {
        let mut result = JobResult::new(JobId::from(place + 1), place, Status::Succeeded);
        result.output = Some(large.clone());
        result
    };
    let (answer, answered) = oneshot::channel();
    let rows = Rows::of(Arc::new(places.map(result).collect())).unwrap();
    (Request::Append(vec![Entry::Ended(rows)], answer), answered)
}

fn checkpoint(bench: &Bench, job: &str, bytes: usize) -> (Request, Receiver<Kept>) {
    let state = serde_json::json!({"text": "x".repeat(bytes)}).as_object().cloned().unwrap();
    let (answer, answered) = oneshot::channel();
    let flight = bench.shared.threads.fly(job);
    let put = Put::of(job, &Checkpoint::new(CheckpointId(1), 1, state, Vec::new()), flight).unwrap();
    (Request::Put(put, answer), answered)
}

#[test]
fn a_full_disk_is_told_and_the_same_append_goes_through_when_there_is_room() {
    let mut bench = Bench::new();
    bench.room_for(5);
    for _ in 0..3 {
        let (request, mut answered) = results(0..100);
        bench.write(vec![request]);
        let error = answered.try_recv().unwrap().unwrap_err();
        assert!(error.full && error.message.ends_with("batch.db: no space left on device"), "{error}");
        assert_eq!(bench.records(), 0);
    }
    let (small, mut answered) = results(100..101);
    bench.write(vec![small]);
    let first = answered.try_recv().unwrap().unwrap();
    assert_eq!(first, JournalAnswer::Ok(Position(1)), "no position is lost with what was not written");
    bench.room_for(1000);
    let (request, mut answered) = results(0..100);
    bench.write(vec![request]);
    assert_eq!(answered.try_recv().unwrap().unwrap(), JournalAnswer::Ok(Position(101)));
    assert_eq!(bench.records(), 101);
    assert!(bench.shared.broken.borrow().is_none());
}

#[test]
fn checkpoints_wait_for_room_and_results_are_told() {
    let mut bench = Bench::new();
    bench.room_for(5);
    let (put, mut kept) = checkpoint(&bench, "x", 100_000);
    let (request, mut answered) = results(0..1);
    bench.write(vec![put, request]);
    assert!(answered.try_recv().unwrap().unwrap_err().full);
    assert!(kept.try_recv().is_err(), "not answered");
    bench.room_for(1000);
    bench.scribe.tick(&bench.shared);
    kept.try_recv().unwrap().unwrap();
    assert!(bench.shared.threads.may_have("x") && !bench.shared.threads.may_fly("x"));
}

#[test]
fn a_refused_append_does_not_take_its_group_with_it() {
    let mut bench = Bench::new();
    let (first, mut first_answer) = results(0..2);
    let (again, mut again_answer) = results(1..3);
    let (third, mut third_answer) = results(2..3);
    bench.write(vec![first, again, third]);
    assert!(first_answer.try_recv().unwrap().is_ok());
    assert!(!again_answer.try_recv().unwrap().unwrap_err().full);
    assert!(third_answer.try_recv().unwrap().is_ok());
    assert_eq!(bench.records(), 3);
    let tally: i64 = bench.scribe.connection.query_row("SELECT jobs FROM tally", [], |row| row.get(0)).unwrap();
    assert_eq!(tally, 3);
}

#[test]
fn what_no_room_can_mend_ends_the_writing_for_good() {
    let mut bench = Bench::new();
    let (put, mut kept) = checkpoint(&bench, "x", 100_000);
    bench.room_for(5);
    bench.write(vec![put]);
    let path = bench.path().to_path_buf();
    std::fs::rename(&path, path.with_extension("away")).unwrap();
    for _ in 0..2 {
        let (request, mut answered) = results(0..1);
        bench.write(vec![request]);
        let error = answered.try_recv().unwrap().unwrap_err();
        assert!(!error.full && error.message.contains("was removed while the batch ran"), "{error}");
    }
    assert!(kept.try_recv().unwrap().is_err(), "what waited for room waits no more");
    std::fs::rename(path.with_extension("away"), &path).unwrap();
    let (request, mut answered) = results(0..1);
    bench.write(vec![request]);
    assert!(answered.try_recv().unwrap().is_err(), "it came back, but nobody knows what happened meanwhile");
    assert_eq!(bench.records(), 0);
}

#[test]
fn only_a_lack_of_room_and_a_lock_of_others_pass_by_themselves() {
    let bench = Bench::new();
    let judge = |code| bench.scribe.ground.judge(&Error::SqliteFailure(ffi::Error::new(code), None));
    for code in [ffi::SQLITE_FULL, ffi::SQLITE_BUSY, ffi::SQLITE_LOCKED] {
        assert!(judge(code).full, "{code}");
    }
    // There is room here: a write that fails has another reason.
    for code in [ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_CORRUPT, ffi::SQLITE_READONLY] {
        assert!(!judge(code).full, "{code}");
    }
    assert!(judge(ffi::SQLITE_IOERR_FSYNC).message.contains("a sync failed"));
}

#[test]
fn nothing_is_written_back_after_the_end() {
    let mut bench = Bench::new();
    let before = std::fs::read(bench.path()).unwrap();
    let (request, _answered) = results(0..10);
    bench.write(vec![request]);
    bench.scribe.break_down(JournalError::new("gone"), &bench.shared);
    let (path, Bench { scribe, shared, _folder }) = (bench.path().to_path_buf(), bench);
    scribe.leave(&shared);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert!(database::log_of(&path).exists(), "the log has what was answered");
}
