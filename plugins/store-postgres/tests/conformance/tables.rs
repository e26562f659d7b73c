//! The tables: who makes them, their version, and what is in them.

use batchmill_core::{Checkpoint, CheckpointId, Checkpointer, ThreadId};
use batchmill_store_postgres::PostgresCheckpointer;
use serde_json::json;

use crate::server::Server;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

fn checkpoint(id: u64) -> Checkpoint {
    let state = json!({"n": id}).as_object().cloned().unwrap();
    Checkpoint::new(CheckpointId(id), id, state, vec!["next".to_owned()])
}

fn put(postgres: &PostgresCheckpointer, id: u64) -> Result<(), String> {
    let put = block_on(postgres.put(&ThreadId::new("b/1"), checkpoint(id)));
    put.map_err(|error| error.to_string().split_once(": ").unwrap().1.to_owned())
}

#[test]
fn many_hosts_that_begin_at_once_make_the_tables_once() {
    let Some(server) = Server::start("tables in PostgreSQL made at once") else { return };
    let open = server.opener(|options| options.schema = "a \"quoted\" näme".to_owned());
    block_on(async {
        let hosts: Vec<_> = (0..8).map(|_| open()).collect();
        let puts = hosts
            .iter()
            .zip(1..)
            .map(async |(host, id)| host.put(&ThreadId::new(format!("b/{id}")), checkpoint(id)).await);
        for put in futures_util::future::join_all(puts).await {
            put.unwrap();
        }
    });
    assert_eq!(server.sql("SELECT count(*), max(step) FROM \"a \"\"quoted\"\" näme\".checkpoint"), ["8 8"]);
    assert_eq!(server.sql("SELECT version FROM \"a \"\"quoted\"\" näme\".checkpoint_version"), ["1"]);
}

#[test]
fn what_is_kept_can_be_read_with_sql() {
    let Some(server) = Server::start("SQL over checkpoints") else { return };
    let open = server.opener(|_| {});
    put(&open(), 7).unwrap();
    assert_eq!(
        server.sql("SELECT thread, id, parent, step, state ->> 'n', next ->> 0 FROM batchmill.checkpoint"),
        ["b/1 7 null 7 7 next"]
    );
}

#[test]
fn tables_of_another_version_are_refused_and_stay_as_they_are() {
    let Some(server) = Server::start("versions of tables in PostgreSQL") else { return };
    let open = server.opener(|_| {});
    put(&open(), 1).unwrap();
    for (change, why) in [
        (
            "UPDATE batchmill.checkpoint_version SET version = 2",
            "schema `batchmill` is of version 2, this program knows 1: use the newer program, or another schema",
        ),
        (
            "UPDATE batchmill.checkpoint_version SET version = 0",
            "schema `batchmill` is of version 0, which never was: use another schema",
        ),
        ("DELETE FROM batchmill.checkpoint_version", "schema `batchmill` does not say its version: use another schema"),
    ] {
        server.sql(change);
        assert_eq!(put(&open(), 2), Err(why.to_owned()));
    }
    assert_eq!(server.sql("SELECT id FROM batchmill.checkpoint"), ["1"]);
}

#[test]
fn a_user_without_the_right_to_make_tables_may_use_those_that_are_there() {
    let Some(server) = Server::start("rights in PostgreSQL") else { return };
    server.sql("CREATE ROLE poor LOGIN");
    let open = server.opener_at(&server.url("poor", "postgres"), |_| {});
    assert_eq!(
        put(&open(), 1),
        Err("schema `batchmill`: permission denied for database postgres, SQLSTATE 42501".to_owned())
    );
    put(&server.opener(|_| {})(), 1).unwrap();
    server.sql("GRANT USAGE ON SCHEMA batchmill TO poor; GRANT ALL ON ALL TABLES IN SCHEMA batchmill TO poor");
    put(&open(), 2).unwrap();
    assert_eq!(server.sql("SELECT id FROM batchmill.checkpoint"), ["2"]);
}

#[test]
fn a_database_that_cannot_hold_every_text_is_refused() {
    let Some(server) = Server::start("encodings of PostgreSQL") else { return };
    server.sql("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
    let open = server.opener_at(&server.url("tester", "latin"), |_| {});
    assert_eq!(put(&open(), 1), Err("the database is encoded as LATIN1: checkpoints need one in UTF8".to_owned()));
}
