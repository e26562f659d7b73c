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

/// Takes the results of a batch as they come.
///
/// # The caller promises
/// - one call at a time; `close` once, last; nothing after an error that is not temporary;
/// - results of one batch come in order of completion; jobs that end at the same moment come in any order;
/// - after a resume a result may come again: `(batch, job_id)` is the key to recognise it by.
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

    /// Flushes and lets go of what the sink holds.
    async fn close(&mut self) -> Result<(), SinkError>;
}

const _: fn(&dyn ResultSink) = |_| {};
