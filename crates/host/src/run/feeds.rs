//! Who gets the results of a durable batch: the summary, what commands wrote, the output, the sinks of the config.

use std::sync::Arc;

use async_trait::async_trait;
use batchmill_core::{BatchId, JobResult, ResultSink, Resumed, SinkError};
use batchmill_executor::{Begins, Feed};

use super::delivery::{Outlet, Seen};

/// The summary: all results of the batch, whoever ran them.
pub(super) struct Gathering(pub(super) Arc<Seen>);

impl Gathering {
    pub(super) const NAME: &str = "summary";
}

#[async_trait]
impl Feed for Gathering {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn begins(&self) -> Begins {
        Begins::Anew
    }

    async fn take(&mut self, _: &BatchId, results: &[JobResult]) -> Result<(), SinkError> {
        self.0.gather(results);
        Ok(())
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// An outlet as a feed.
pub(super) struct Fed {
    name: String,
    sink: Box<dyn ResultSink>,
    patient: bool,
    begins: Begins,
    seen: Arc<Seen>,
    /// Whether it is the output: a reader that goes ends the batch in its own way.
    is_read: bool,
    /// Whether its last write failed in a way that may pass.
    is_stuck: bool,
}

impl Fed {
    pub(super) fn new(outlet: Outlet, begins: Begins, seen: Arc<Seen>) -> Self {
        let (name, sink, patient) = outlet.into_parts();
        Self { name, sink, patient, begins, seen, is_read: false, is_stuck: false }
    }

    /// What somebody reads as it comes.
    pub(super) fn read(self) -> Self {
        Self { is_read: true, ..self }
    }

    /// What an error means for the batch.
    fn judged<T: Default>(&self, answer: Result<T, SinkError>) -> Result<T, SinkError> {
        match answer {
            Err(error) if error.closed && self.is_read => {
                self.seen.set_reader_gone();
                Ok(T::default())
            }
            Err(mut error) => {
                error.temporary &= self.patient;
                Err(error)
            }
            answer => answer,
        }
    }

    fn nobody_reads(&self) -> bool {
        self.is_read && self.seen.is_reader_gone()
    }
}

#[async_trait]
impl Feed for Fed {
    fn name(&self) -> &str {
        &self.name
    }

    fn begins(&self) -> Begins {
        self.begins
    }

    async fn take(&mut self, batch: &BatchId, results: &[JobResult]) -> Result<(), SinkError> {
        if self.nobody_reads() {
            return Ok(());
        }
        let written = self.sink.write(batch, results).await;
        let judged = self.judged(written);
        let passing = judged.as_ref().err().filter(|error| error.temporary);
        if passing.is_some() || self.is_stuck {
            self.seen.wrote(&self.name, passing);
            self.is_stuck = passing.is_some();
        }
        judged
    }

    fn mark(&self) -> Option<String> {
        self.sink.mark()
    }

    async fn resume(&mut self, mark: Option<&str>) -> Result<Resumed, SinkError> {
        self.sink.resume(mark).await
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        let closed = self.sink.close().await;
        if closed.is_ok() {
            self.seen.hear(&self.name, &*self.sink);
        }
        self.judged(closed)
    }
}
