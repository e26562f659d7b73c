//! A batch read from outside, by this crate and by any SQLite tool.

use batchmill_core::{AttemptRecord, ErrorClass, JobId, JournalEvent, Position, Setback, Status};
use rusqlite::Connection;

use crate::support::{Calls, Place, accepted, ended, failed, id, ok};

#[test]
fn a_reader_beside_the_host_sees_what_is_recorded() {
    let place = Place::new();
    let batch = place.batch();
    let reader = place.state.read(&id("b")).unwrap();
    assert_eq!(reader.counts().unwrap().ended(), 0);
    let delivered = batchmill_core::Delivered::new("jsonl", Position(3), None);
    Calls::of(&batch).recorded(vec![ended([ok(0), failed(1)]), ended([ok(2)]), JournalEvent::Delivered(delivered)]);
    let counts = reader.counts().unwrap();
    assert_eq!((counts.jobs, counts.ended(), counts.of(Status::Succeeded), counts.of(Status::Failed)), (1000, 3, 2, 1));
    assert_eq!((counts.deliveries[0].delivered.sink.as_str(), counts.deliveries[0].behind), ("jsonl", 1));
    assert_eq!(reader.result_at(1).unwrap().unwrap().1, failed(1));
    assert_eq!(reader.result_at(5).unwrap(), None);
    assert_eq!(reader.listed().unwrap(), place.state.find("b").unwrap());
    assert_eq!(reader.manifest().unwrap(), *batch.manifest());
    assert_eq!(reader.verdict().unwrap(), None);
}

#[test]
fn reading_a_batch_that_nobody_runs_leaves_nothing_behind() {
    let place = Place::new();
    drop(place.batch());
    let folder = place.state.folder(&id("b"));
    let count = || std::fs::read_dir(&folder).unwrap().count();
    let before = count();
    place.state.read(&id("b")).unwrap().results(Position(0), 10).unwrap();
    assert_eq!(count(), before);
}

#[test]
fn a_reader_that_outlives_the_host_takes_the_empty_log_with_it() {
    let place = Place::new();
    let batch = place.batch();
    Calls::of(&batch).recorded(vec![ended([ok(0)])]);
    let reader = place.state.read(&id("b")).unwrap();
    let log = batch.folder().join("batch.db-wal");
    drop(batch);
    assert_eq!(reader.counts().unwrap().ended(), 1);
    drop(reader);
    assert!(!log.exists());
    assert_eq!(place.state.read(&id("b")).unwrap().counts().unwrap().ended(), 1);
}

#[test]
fn a_job_is_found_by_its_id_wherever_it_stands() {
    let place = Place::new();
    let batch = place.batch();
    let mut named = ok(7);
    named.job_id = JobId::new("1").unwrap();
    let mut other = ok(0);
    other.job_id = JobId::new("x").unwrap();
    Calls::of(&batch).recorded(vec![ended([named.clone(), other.clone(), ok(4)])]);
    let reader = place.state.read(&id("b")).unwrap();
    let of = |text: &str| reader.result_of(&JobId::new(text).unwrap()).unwrap().map(|(_, result)| result);
    assert_eq!(of("1"), Some(named), "an id that looks like a line number of another job");
    assert_eq!(of("x"), Some(other));
    assert_eq!(of("5"), Some(ok(4)));
    assert_eq!(of("9"), None);
}

#[test]
fn errors_are_grouped_the_most_frequent_first() {
    let place = Place::new();
    let batch = place.batch();
    let mut other = failed(1);
    other.error.as_mut().unwrap().code = "spawn_failed".into();
    Calls::of(&batch).recorded(vec![ended([other, ok(2), failed(4), failed(3)])]);
    let groups = place.state.read(&id("b")).unwrap().error_groups(10).unwrap();
    let told: Vec<_> = groups.iter().map(|g| (g.jobs, g.code.as_str(), g.node.as_deref(), g.job_id.as_str())).collect();
    assert_eq!(told, [(2, "exit_status", Some("size"), "4"), (1, "spawn_failed", Some("size"), "2")]);
    assert_eq!(
        (groups[0].class, groups[0].status, groups[0].message.as_str()),
        (ErrorClass::Transient, Status::Failed, "it broke")
    );
}

/// Each row of a query, as text.
fn rows(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        let cell = |at| {
            row.get::<_, rusqlite::types::Value>(at).map(|value| match value {
                rusqlite::types::Value::Null => "-".to_owned(),
                rusqlite::types::Value::Integer(number) => number.to_string(),
                rusqlite::types::Value::Real(number) => number.to_string(),
                rusqlite::types::Value::Text(text) => text,
                rusqlite::types::Value::Blob(_) => "blob".to_owned(),
            })
        };
        (0..columns).map(cell).collect::<Result<Vec<_>, _>>().map(|cells| cells.join(" "))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

#[test]
fn the_views_answer_in_any_sqlite_tool() {
    let place = Place::new();
    let batch = place.batch();
    let mut twice = failed(1);
    let record =
        AttemptRecord::new(1, ErrorClass::Timeout, "slow".into(), accepted(), std::time::Duration::from_millis(1500));
    twice.error.as_mut().unwrap().history = vec![record.clone()];
    let mut setback = Setback::new(3, accepted(), accepted());
    (setback.attempts, setback.history) = (1, vec![record]);
    let lost = JournalEvent::Lost { place: 9, crashes: 2, at: accepted() };
    Calls::of(&batch).recorded(vec![ended([ok(0), twice]), JournalEvent::Retrying(Box::new(setback)), lost]);
    let tool = Connection::open(batch.folder().join("batch.db")).unwrap();
    assert_eq!(
        rows(
            &tool,
            "SELECT sequence, job_id, tenant, priority, status, attempts, queued_at, started_at, duration_seconds FROM results"
        ),
        [
            "0 1 default 0 succeeded 1 2026-11-23T12:00:00.000Z 2026-11-23T12:00:00.000Z 0.005000001",
            "1 2 default 0 failed 1 2026-11-23T12:00:00.000Z 2026-11-23T12:00:00.001Z 0.005000001",
        ]
    );
    assert_eq!(
        rows(&tool, "SELECT sequence, job_id, state, attempts, crashes, due_at FROM jobs ORDER BY sequence"),
        [
            "0 1 succeeded 1 0 -",
            "1 2 failed 1 0 -",
            "3 - retrying 1 0 2026-11-23T12:00:00.000Z",
            "9 - interrupted 0 2 -"
        ]
    );
    assert_eq!(
        rows(&tool, "SELECT sequence, job_id, attempt, class, message, at, duration_seconds FROM attempts"),
        ["1 2 1 timeout slow 2026-11-23T12:00:00.000Z 1.5", "3 - 1 timeout slow 2026-11-23T12:00:00.000Z 1.5"]
    );
    assert_eq!(
        rows(&tool, "SELECT jobs, status, class, code, node, job_id FROM errors"),
        ["1 failed transient exit_status size 2"]
    );
}

#[test]
fn the_queries_of_the_page_about_the_store_run() {
    let place = Place::new();
    let batch = place.batch();
    let mut hashed = ok(0);
    hashed.output = Some(serde_json::json!({"sha256": "abc"}));
    hashed.duration = std::time::Duration::from_secs(2);
    Calls::of(&batch)
        .recorded(vec![ended([hashed, failed(1)]), JournalEvent::Lost { place: 9, crashes: 2, at: accepted() }]);
    let page = include_str!("../../../../docs/store.md");
    let queries = page.lines().filter(|line| line.starts_with("$ sqlite3 ")).filter_map(|line| {
        let (_, query) = line.split_once('"')?;
        query.strip_suffix('"')
    });
    let queries: Vec<_> = queries.collect();
    assert!(queries.len() >= 6, "{queries:?}");
    let tool = Connection::open(batch.folder().join("batch.db")).unwrap();
    for query in queries {
        assert!(!rows(&tool, query).is_empty(), "{query}");
    }
}

#[test]
fn the_page_about_the_store_names_every_table_and_view() {
    let place = Place::new();
    let batch = place.batch();
    let page = include_str!("../../../../docs/store.md");
    let tool = Connection::open(batch.folder().join("batch.db")).unwrap();
    let names = rows(&tool, "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')");
    assert!(names.len() >= 13, "{names:?}");
    for name in names {
        assert!(page.lines().any(|line| line.starts_with("| ") && line.contains(&format!("`{name}`"))), "{name}");
    }
    for key in rows(&tool, "SELECT key FROM meta") {
        assert!(page.contains(&format!("`{key}`")), "{key}");
    }
}

#[test]
fn a_finished_job_that_did_nothing_takes_few_bytes() {
    let place = Place::new();
    let batch = place.batch();
    let calls = Calls::of(&batch);
    let empty = std::fs::metadata(batch.folder().join("batch.db")).unwrap().len();
    for group in 0..20 {
        let results = (group * 1000..group * 1000 + 1000).map(|place| {
            let mut result = ok(place);
            result.output = Some(serde_json::json!({}));
            result
        });
        calls.recorded(vec![ended(results)]);
    }
    drop((calls, batch));
    let full = std::fs::metadata(place.state.folder(&id("b")).join("batch.db")).unwrap().len();
    let each = (full - empty) / 20_000;
    assert!(each <= 100, "{each} bytes a job");
}
