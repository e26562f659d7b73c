//! The checkpointer: hands each call to the lane of its thread.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Arc, OnceLock},
};

use async_trait::async_trait;
use batchmill_core::{BuildContext, BuildError, Checkpoint, CheckpointError, CheckpointId, Checkpointer, ThreadId};
use tokio::sync::{mpsc, oneshot};

use crate::{
    call::{Answer, Call, Read, Write},
    connection::Server,
    lane,
    options::Options,
    row::Row,
};

/// Keeps checkpoints in PostgreSQL. Its first call starts its lanes, in the runtime of that call; they end when it is
/// dropped and has answered.
pub struct PostgresCheckpointer {
    server: Arc<Server>,
    lanes: OnceLock<Vec<mpsc::Sender<Call>>>,
    connections: u16,
    hasher: RandomState,
}

impl PostgresCheckpointer {
    /// Reads the connection string and checks it. Nothing is connected to before the first call.
    pub fn new(options: &Options, context: &BuildContext) -> Result<Self, BuildError> {
        let problems = options.problems();
        if !problems.is_empty() {
            return Err(BuildError::Options(problems));
        }
        let server = Server::new(options, context)?;
        let (lanes, hasher) = (OnceLock::new(), RandomState::new());
        Ok(Self { server, lanes, connections: options.connections.get(), hasher })
    }

    fn lane(&self, thread: &ThreadId) -> &mpsc::Sender<Call> {
        let lanes = self.lanes.get_or_init(|| (0..self.connections).map(|_| self.start()).collect());
        let place = self.hasher.hash_one(thread) % u64::from(self.connections);
        &lanes[usize::try_from(place).unwrap_or_default()]
    }

    fn start(&self) -> mpsc::Sender<Call> {
        let (calls, waiting) = mpsc::channel(lane::QUEUE_MAX);
        tokio::spawn(lane::run(self.server.clone(), waiting));
        calls
    }

    /// The first poll gives the call its place in its lane.
    async fn ask<T>(&self, thread: &ThreadId, call: impl FnOnce(Answer<T>) -> Call) -> Result<T, CheckpointError> {
        let (answer, answered) = oneshot::channel();
        let gone = || self.server.place.error("the runtime that wrote checkpoints has ended");
        self.lane(thread).send(call(answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

#[async_trait]
impl Checkpointer for PostgresCheckpointer {
    async fn put(&self, thread: &ThreadId, checkpoint: Checkpoint) -> Result<(), CheckpointError> {
        let row = Row::of(thread, &checkpoint).map_err(|why| self.server.place.error(why))?;
        drop(checkpoint);
        self.ask(thread, |answer| Call::Write(Write::Put(row), answer)).await
    }

    async fn get(&self, thread: &ThreadId, id: Option<CheckpointId>) -> Result<Option<Checkpoint>, CheckpointError> {
        self.ask(thread, |answer| Call::Read(Read::Get(thread.clone(), id, answer))).await
    }

    async fn list(&self, thread: &ThreadId) -> Result<Vec<CheckpointId>, CheckpointError> {
        self.ask(thread, |answer| Call::Read(Read::List(thread.clone(), answer))).await
    }

    async fn delete_thread(&self, thread: &ThreadId) -> Result<(), CheckpointError> {
        self.ask(thread, |answer| Call::Write(Write::Delete(thread.clone()), answer)).await
    }
}

impl fmt::Debug for PostgresCheckpointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresCheckpointer").field("server", &self.server).finish_non_exhaustive()
    }
}
