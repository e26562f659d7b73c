//! How numbers leave the process.

use std::fmt;

use async_trait::async_trait;

use crate::CancelSignal;

/// Why metrics could not be set up or written.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct MetricsError {
    /// A sentence with the place and the mend.
    pub message: String,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl MetricsError {
    /// An error with a message only.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None }
    }
}

/// Carries the metrics of this process to where they are read.
///
/// Building one may open (a taken port is an error then); it must not spawn.
///
/// # The caller promises
/// - `install` once, before anything is counted; then `serve` at most once;
/// - when nothing more will be counted, `finish` once, and then `linger` at most once, while `serve` still answers; `stop`
///   is raised last.
///
/// # The implementer promises
/// - after `install` the process-wide recorder of the `metrics` facade is its own;
/// - `serve` ends soon after `stop` is raised;
/// - `finish` leaves the final numbers where the options said.
#[async_trait]
pub trait MetricsExporter: Send + Sync + fmt::Debug {
    /// Becomes the recorder of this process.
    fn install(&self) -> Result<(), MetricsError>;

    /// Answers readers until `stop` is raised.
    async fn serve(&self, stop: CancelSignal) -> Result<(), MetricsError>;

    /// Writes the final numbers.
    async fn finish(&self) -> Result<(), MetricsError>;

    /// Returns when the final numbers were read by somebody, or when nobody has to be waited for any longer. The caller may
    /// drop it.
    async fn linger(&self) {}

    /// The present numbers in the exporter's text format.
    fn render(&self) -> String;
}

const _: fn(&dyn MetricsExporter) = |_| {};
