//! A server that goes away and comes back, and calls that go to it together.

use batchmill_core::{Checkpoint, CheckpointError, CheckpointId, Checkpointer, StateData, ThreadId};
use futures_util::future::join_all;

use crate::server::Server;

fn checkpoint(id: u64) -> Checkpoint {
    Checkpoint::new(CheckpointId(id), id, StateData::new(), Vec::new())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn after_a_restart_of_the_server_it_goes_on() {
    let Some(mut server) = Server::start("restarts of PostgreSQL") else { return };
    let postgres = server.opener(|_| {})();
    let thread = ThreadId::new("b/1");
    let runtime = runtime();
    let put = |id: u64| runtime.block_on(postgres.put(&thread, checkpoint(id)));
    put(1).unwrap();
    server.stop();
    let error: CheckpointError = put(2).unwrap_err();
    assert!(error.message.contains(".s.PGSQL.5432, database `postgres`: "), "{error}");
    server.go_on();
    put(3).unwrap();
    // Nobody called while it was away: the connections are dead, and nobody is told.
    server.stop();
    server.go_on();
    put(4).unwrap();
    let latest = runtime.block_on(postgres.get(&thread, None)).unwrap();
    assert_eq!(latest, Some(checkpoint(4)));
}

#[test]
fn a_connection_that_is_ended_by_the_server_is_replaced() {
    let Some(server) = Server::start("ended connections of PostgreSQL") else { return };
    let postgres = server.opener(|_| {})();
    let runtime = runtime();
    for id in 1..=5 {
        runtime.block_on(postgres.put(&ThreadId::new("b/1"), checkpoint(id))).unwrap();
        server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'batchmill'");
    }
    assert_eq!(server.sql("SELECT id FROM batchmill.checkpoint"), ["5"]);
}

#[test]
fn a_statement_that_takes_too_long_is_an_error() {
    let Some(server) = Server::start("time limits in PostgreSQL") else { return };
    let short = server.opener(|options| options.timeout = std::time::Duration::from_millis(300).into())();
    let runtime = runtime();
    runtime.block_on(short.put(&ThreadId::new("b/1"), checkpoint(1))).unwrap();
    // Somebody holds the table.
    let locked = runtime.block_on(async {
        let (client, connection) =
            tokio_postgres::connect(&server.url("tester", "postgres"), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute("BEGIN; LOCK TABLE batchmill.checkpoint").await.unwrap();
        client
    });
    let error = runtime.block_on(short.put(&ThreadId::new("b/1"), checkpoint(2))).unwrap_err();
    assert!(error.message.ends_with("canceling statement due to statement timeout, SQLSTATE 57014"), "{error}");
    runtime.block_on(locked.batch_execute("COMMIT")).unwrap();
    runtime.block_on(short.put(&ThreadId::new("b/1"), checkpoint(3))).unwrap();
}

#[test]
fn puts_that_wait_while_a_connection_is_busy_are_written_together() {
    let Some(server) = Server::start("groups in PostgreSQL") else { return };
    let postgres = server.opener(|options| options.connections = 1.try_into().unwrap())();
    runtime().block_on(async {
        postgres.put(&ThreadId::new("b/0"), checkpoint(1)).await.unwrap();
        let puts = (1..=1000).map(|job| {
            let postgres = &postgres;
            async move { postgres.put(&ThreadId::new(format!("b/{job}")), checkpoint(1)).await }
        });
        for put in join_all(puts).await {
            put.unwrap();
        }
    });
    // Rows that were written by one transaction have one moment.
    let transactions: u32 = server.sql("SELECT count(DISTINCT written) FROM batchmill.checkpoint")[0].parse().unwrap();
    assert!(transactions <= 20, "1001 puts were {transactions} transactions");
    // Many jobs that have ended are deleted together, and what follows is not.
    runtime().block_on(async {
        let postgres = server.opener(|_| {})();
        let deletes = (0..=1000).map(|job| {
            let postgres = &postgres;
            async move { postgres.delete_thread(&ThreadId::new(format!("b/{job}"))).await }
        });
        let (deleted, put) =
            futures_util::future::join(join_all(deletes), postgres.put(&ThreadId::new("b/7"), checkpoint(9))).await;
        assert!(deleted.iter().all(Result::is_ok) && put.is_ok());
    });
    assert_eq!(server.sql("SELECT thread, id FROM batchmill.checkpoint"), ["b/7 9"]);
}
