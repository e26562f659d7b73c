//! Takes results and forgets them.

use async_trait::async_trait;
use batchmill_core::{BatchId, JobResult, ResultSink, Resumed, SinkError};

use crate::{Fault, Method, Options, options::Trouble};

#[derive(Debug)]
pub(crate) struct Faulty {
    trouble: Trouble,
    /// Results that it took, over all hosts of the batch.
    taken: u64,
}

impl Faulty {
    pub(crate) fn new(options: Options) -> Self {
        Self { trouble: Trouble::new(options, Method::Write), taken: 0 }
    }

    async fn call(&self, method: Method) {
        if self.trouble.call(method) == Fault::Lost {
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl ResultSink for Faulty {
    async fn write(&mut self, _: &BatchId, results: &[JobResult]) -> Result<(), SinkError> {
        self.call(Method::Write).await;
        self.taken += results.len() as u64;
        metrics::counter!("faulty_results").increment(results.len() as u64);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        self.call(Method::Flush).await;
        Ok(())
    }

    fn mark(&self) -> Option<String> {
        self.trouble.call(Method::Mark);
        Some(self.taken.to_string())
    }

    async fn resume(&mut self, mark: Option<&str>) -> Result<Resumed, SinkError> {
        self.call(Method::Resume).await;
        self.taken = mark.map_or(Ok(0), str::parse).map_err(|_| SinkError::permanent("a mark of somebody else"))?;
        Ok(if mark.is_some() { Resumed::AtMark } else { Resumed::Empty })
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        self.call(Method::Close).await;
        Ok(())
    }

    fn summary(&self) -> Option<serde_json::Value> {
        self.trouble.call(Method::Summary);
        Some(self.taken.into())
    }
}
