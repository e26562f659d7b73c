//! Where results go.

use std::fmt;

use async_trait::async_trait;

use crate::{BatchId, JobResult};

/// Why a sink could not take results.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct SinkError {
    /// A sentence with the place, for example `results.jsonl: No space left on device`.
    pub message: String,
    /// Whether trying the same call again may help.
    pub temporary: bool,
    /// Whether the reader is gone and nobody wants the rest: a closed pipe.
    pub closed: bool,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl SinkError {
    /// An error that trying again does not mend.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self { message: message.into(), temporary: false, closed: false, source: None }
    }

    /// The reader is gone.
    pub fn closed(message: impl Into<String>) -> Self {
        Self { closed: true, ..Self::permanent(message) }
    }

    /// An I/O error at `place`.
    pub fn io(place: impl fmt::Display, error: std::io::Error) -> Self {
        Self {
            message: format!("{place}: {error}"),
            temporary: matches!(
                error.kind(),
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded | std::io::ErrorKind::Interrupted
            ),
            closed: error.kind() == std::io::ErrorKind::BrokenPipe,
            source: Some(Box::new(error)),
        }
    }
}

/// Where a sink goes on after a resume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resumed {
    /// Behind what the mark stands for: what was written after it is gone, or will come again.
    AtMark,
    /// It is empty: everything must come again.
    Empty,
}

/// Takes the results of a batch as they come.
///
/// # The caller promises
/// - one call at a time; `close` once, last; nothing after an error that is not temporary;
/// - results of one batch come in order of completion; jobs that end at the same moment come in any order;
/// - after a resume a result may come again: `(batch, job_id)` is the key to recognise it by;
/// - `resume` comes before the first `write`, and only where a batch goes on that wrote to this sink before.
///
/// # The implementer promises
/// - when `write` answers `Ok` the results are its responsibility: the answer moves the resume mark;
/// - awaiting `write` is the back-pressure: no unbounded buffer of its own;
/// - when `flush` answers `Ok` everything written is where the sink promises it to be, as durable as it gets.
#[async_trait]
pub trait ResultSink: Send + fmt::Debug {
    /// Takes results.
    async fn write(&mut self, batch: &BatchId, results: &[JobResult]) -> Result<(), SinkError>;

    /// Makes what was written durable.
    async fn flush(&mut self) -> Result<(), SinkError>;

    /// Stands for everything that was written so far: a resume goes on behind the last mark that was recorded. At most
    /// 1,024 bytes. `None` for a sink that cannot take back what it wrote: results after the last record come again.
    fn mark(&self) -> Option<String> {
        None
    }

    /// Goes on where an earlier host stopped. A sink with marks takes back what it wrote after `mark`, or, without one,
    /// everything, so that no result stands in it twice.
    async fn resume(&mut self, mark: Option<&str>) -> Result<Resumed, SinkError> {
        let _ = mark;
        Ok(Resumed::AtMark)
    }

    /// Flushes and lets go of what the sink holds.
    async fn close(&mut self) -> Result<(), SinkError>;

    /// What the sink has to say about the batch, for its report; asked for after `close`. `None` for nothing.
    fn summary(&self) -> Option<serde_json::Value> {
        None
    }
}

const _: fn(&dyn ResultSink) = |_| {};
