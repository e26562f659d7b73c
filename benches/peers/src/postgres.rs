//! A queue in PostgreSQL: workers take jobs with `FOR UPDATE SKIP LOCKED` and end them, two transactions for each hundred.
//! That the jobs were put in is not counted.

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::task::JoinSet;
use tokio_postgres::{Client, Config, NoTls};

/// Where the server listens.
const SOCKET: &str = "BATCHMILL_BENCH_POSTGRES_SOCKET";

/// Jobs that a worker takes at a time.
const AT_ONCE: i64 = 100;

const TABLE: &str = "
DROP TABLE IF EXISTS job;
CREATE TABLE job(
  id bigint PRIMARY KEY, state smallint NOT NULL, priority smallint NOT NULL, input jsonb NOT NULL, output jsonb);
CREATE INDEX waiting ON job(priority, id) WHERE state = 0;";

const TAKE: &str = "
UPDATE job SET state = 1 WHERE id IN (
  SELECT id FROM job WHERE state = 0 ORDER BY priority, id LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING id";

const END: &str = "UPDATE job SET state = 2, output = input WHERE id = ANY($1) AND state = 1";

/// Puts the jobs in.
pub(crate) fn fill(jobs: u32) -> Result<(), String> {
    let fill =
        "INSERT INTO job SELECT n, 0, 0, jsonb_build_object('n', n) FROM generate_series(0, $1::bigint - 1) AS n";
    crate::runtime()?.block_on(async {
        let client = connect().await?;
        client.batch_execute(TABLE).await.map_err(said)?;
        client.execute(fill, &[&i64::from(jobs)]).await.map_err(said)?;
        // What it would have to do by itself some time, and then in the middle of the work.
        client.execute("VACUUM ANALYZE job", &[]).await.map_err(said)?;
        client.batch_execute("CHECKPOINT").await.map_err(said)
    })
}

/// Has workers take and end all of them.
pub(crate) fn run(_: u32, workers: usize) -> Result<u64, String> {
    let done = Arc::new(AtomicU64::new(0));
    crate::runtime()?.block_on(async {
        let mut all = JoinSet::new();
        for _ in 0..workers {
            all.spawn(work(done.clone()));
        }
        while let Some(ended) = all.join_next().await {
            ended.map_err(|error| error.to_string()).flatten()?;
        }
        Ok::<_, String>(())
    })?;
    Ok(done.load(Ordering::Relaxed))
}

async fn work(done: Arc<AtomicU64>) -> Result<(), String> {
    let client = connect().await?;
    let take = client.prepare(TAKE).await.map_err(said)?;
    let end = client.prepare(END).await.map_err(said)?;
    loop {
        let taken = client.query(&take, &[&AT_ONCE]).await.map_err(said)?;
        if taken.is_empty() {
            return Ok(());
        }
        let ids: Vec<i64> = taken.iter().map(|row| row.get(0)).collect();
        done.fetch_add(client.execute(&end, &[&ids]).await.map_err(said)?, Ordering::Relaxed);
    }
}

async fn connect() -> Result<Client, String> {
    let socket = env::var_os(SOCKET).ok_or_else(|| format!("{SOCKET} is not set"))?;
    let (client, connection) =
        Config::new().host_path(socket).user("postgres").dbname("postgres").connect(NoTls).await.map_err(said)?;
    // It ends with its client.
    tokio::spawn(connection);
    Ok(client)
}

fn said(error: tokio_postgres::Error) -> String {
    // The server's own words are in the source.
    std::error::Error::source(&error).map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
