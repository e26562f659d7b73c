//! A lane: the calls of some threads, in their order, on one connection at a time.

use std::sync::Arc;

use batchmill_core::{CheckpointError, CheckpointId};
use deadpool_postgres::Object;
use futures_util::future::{join4, try_join_all};
use tokio::sync::mpsc;
use tokio_postgres::{Error, Row as Found, types::ToSql};

use crate::{
    call::{Answer, Call, Read},
    connection::{Server, Work},
    row,
    statements::Statements,
    writes::Writes,
};

/// So many calls wait at most.
pub(crate) const QUEUE_MAX: usize = 256;
/// So many calls go to the server together, and about so many bytes.
const GROUP_MAX: usize = 256;
const GROUP_BYTES_MAX: usize = 16 << 20;

/// Answers calls until nobody can ask any more. What arrives while one group is on its way is the next.
pub(crate) async fn run(server: Arc<Server>, mut calls: mpsc::Receiver<Call>) {
    let mut group = Vec::new();
    while calls.recv_many(&mut group, GROUP_MAX).await > 0 {
        let mut calls = group.drain(..).peekable();
        while calls.peek().is_some() {
            write(&server, &mut calls).await;
            read(&server, &mut calls).await;
        }
    }
}

/// Takes the writes at the front together.
async fn write(server: &Server, calls: &mut std::iter::Peekable<impl Iterator<Item = Call>>) {
    let (mut writes, mut answers) = (Writes::new(server.history), Vec::<Answer<()>>::new());
    while let Some(Call::Write(write, answer)) =
        calls.next_if(|call| writes.bytes() < GROUP_BYTES_MAX && matches!(call, Call::Write(..)))
    {
        writes.add(write);
        answers.push(answer);
    }
    if writes.is_empty() {
        return;
    }
    let written = server.run(&writes).await;
    for answer in answers {
        // Who does not wait any more needs no answer.
        let _ = answer.send(written.as_ref().map(|&()| ()).map_err(again));
    }
}

impl Work for Writes {
    type Done = ();

    /// One transaction, in one round trip once its statements are prepared.
    async fn on(&self, client: &Object, statements: &Statements) -> Result<(), Error> {
        let (cleared, rows) = (self.cleared(), self.columns());
        let delete = client.prepare_cached(&statements.delete).await?;
        if rows.thread.is_empty() {
            return client.execute(&delete, &[&cleared]).await.map(drop);
        }
        let put = client.prepare_cached(&statements.put).await?;
        let given: [&(dyn ToSql + Sync); 8] =
            [&rows.thread, &rows.id, &rows.parent, &rows.step, &rows.state, &rows.next, &rows.joins, &rows.pending];
        if cleared.is_empty() {
            return client.execute(&put, &given).await.map(drop);
        }
        let (begun, deleted, put, committed) = join4(
            client.batch_execute("BEGIN"),
            client.execute(&delete, &[&cleared]),
            client.execute(&put, &given),
            client.batch_execute("COMMIT"),
        )
        .await;
        // Where one of them failed, the server has made of the commit a rollback.
        begun.and(deleted).and(put).and(committed)
    }
}

/// Takes the reads at the front together.
async fn read(server: &Server, calls: &mut std::iter::Peekable<impl Iterator<Item = Call>>) {
    let mut reads: Vec<Read> = Vec::new();
    while let Some(Call::Read(read)) = calls.next_if(|call| matches!(call, Call::Read(_))) {
        reads.push(read);
    }
    if reads.is_empty() {
        return;
    }
    match server.run(&reads).await {
        Ok(found) => reads.into_iter().zip(found).for_each(|(read, found)| answer(server, read, &found)),
        Err(error) => reads.into_iter().for_each(|read| refuse(read, again(&error))),
    }
}

impl Work for Vec<Read> {
    /// What was found for each.
    type Done = Vec<Vec<Found>>;

    async fn on(&self, client: &Object, statements: &Statements) -> Result<Self::Done, Error> {
        try_join_all(self.iter().map(|read| find(client, statements, read))).await
    }
}

async fn find(client: &Object, statements: &Statements, read: &Read) -> Result<Vec<Found>, Error> {
    let (thread, id, statement) = match read {
        Read::Get(thread, None, _) => (thread, None, &statements.latest),
        Read::Get(thread, Some(id), _) => (thread, Some(id.0.to_string()), &statements.by_id),
        Read::List(thread, _) => (thread, None, &statements.list),
    };
    let statement = client.prepare_cached(statement).await?;
    match &id {
        Some(id) => client.query(&statement, &[&&*thread.0, id]).await,
        None => client.query(&statement, &[&&*thread.0]).await,
    }
}

fn answer(server: &Server, read: Read, found: &[Found]) {
    match read {
        Read::Get(.., answer) => {
            let checkpoint = found.first().map(row::read).transpose();
            let _ = answer.send(checkpoint.map_err(|why| server.place.error(why)));
        }
        Read::List(_, answer) => {
            let ids: Result<Vec<CheckpointId>, String> = found.iter().map(row::id).collect();
            let _ = answer.send(ids.map_err(|why| server.place.error(why)));
        }
    }
}

fn refuse(read: Read, error: CheckpointError) {
    match read {
        Read::Get(.., answer) => drop(answer.send(Err(error))),
        Read::List(_, answer) => drop(answer.send(Err(error))),
    }
}

/// The same error for somebody else.
fn again(error: &CheckpointError) -> CheckpointError {
    CheckpointError::new(error.message.clone())
}
