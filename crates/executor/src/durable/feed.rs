//! Who gets the results of a durable batch.

use async_trait::async_trait;
use batchmill_core::{BatchId, JobResult, Resumed, SinkError};

/// Where a feed begins under a host that resumes a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begins {
    /// With the first result of the batch, under every host: what is kept in memory, or goes to a stream.
    Anew,
    /// Behind what it has got from earlier hosts. How far that is, is recorded.
    AtItsMark,
}

/// Takes what a journal has recorded, in its order.
///
/// # The caller promises
/// - one call at a time, in a task of its own; `close` once, last; after a temporary error the same call again, or no
///   other; nothing after an error that is not temporary;
/// - `resume` comes before all else, and only where an earlier host fed it in this batch: of those that begin anew, never;
/// - a call may be dropped half way when the host is told to stop; nothing follows then.
///
/// # The implementer promises
/// - what it answers `Ok` for is its responsibility: it is not offered again to a feed that begins at its mark, unless what
///   follows it was not recorded before the host died.
#[async_trait]
pub trait Feed: Send + 'static {
    /// Its name in this batch, the same under every host: no other feed has it.
    fn name(&self) -> &str;

    /// Where it begins when a batch is resumed.
    fn begins(&self) -> Begins;

    /// Takes results.
    async fn take(&mut self, batch: &BatchId, results: &[JobResult]) -> Result<(), SinkError>;

    /// Stands for everything it has taken; see [`ResultSink::mark`](batchmill_core::ResultSink::mark).
    fn mark(&self) -> Option<String> {
        None
    }

    /// Goes on where an earlier host stopped; see [`ResultSink::resume`](batchmill_core::ResultSink::resume).
    async fn resume(&mut self, mark: Option<&str>) -> Result<Resumed, SinkError> {
        let _ = mark;
        Ok(Resumed::AtMark)
    }

    /// Nothing more comes.
    async fn close(&mut self) -> Result<(), SinkError>;
}
