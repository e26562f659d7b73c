//! Takes results and forgets them.

use async_trait::async_trait;
use batchmill_core::{BatchId, JobResult, ResultSink, SinkError};

use crate::{Fault, Options, options::Trouble};

#[derive(Debug)]
pub(crate) struct Faulty(Trouble);

impl Faulty {
    pub(crate) fn new(options: Options) -> Self {
        Self(Trouble::new(options))
    }
}

#[async_trait]
impl ResultSink for Faulty {
    async fn write(&mut self, _: &BatchId, results: &[JobResult]) -> Result<(), SinkError> {
        if self.0.call() == Fault::Lost {
            std::future::pending::<()>().await;
        }
        metrics::counter!("faulty_results").increment(results.len() as u64);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}
