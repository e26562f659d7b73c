//! JSON Lines in a file that holds whole lines only.

use std::path::Path;

use async_trait::async_trait;
use batchmill_core::{BatchId, BuildContext, BuildError, JobResult, ResultSink, Resumed, SinkError};
use batchmill_plugin::{ResultFile, ResultFileOptions};

use crate::{Options, lines::encode};

/// What every record begins with.
const BEGIN: &[u8] = br#"{"batch":""#;

/// Writes results to a file. What a [`ResultFile`] promises holds for it.
#[derive(Debug)]
pub struct JsonLinesFile(ResultFile);

impl JsonLinesFile {
    /// Opens the file, and makes it if it is not there. Nothing is written, or emptied, before the first call.
    pub fn open(options: &Options, context: &BuildContext) -> Result<Self, BuildError> {
        let mut file = ResultFileOptions::new(&options.path);
        file.overwrite = options.overwrite;
        file.begin = BEGIN.to_owned();
        ResultFile::open(file, context).map(Self)
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

#[async_trait]
impl ResultSink for JsonLinesFile {
    async fn write(&mut self, batch: &BatchId, results: &[JobResult]) -> Result<(), SinkError> {
        self.0.append(encode(batch, results)?).await
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        self.0.sync().await
    }

    fn mark(&self) -> Option<String> {
        self.0.mark()
    }

    async fn resume(&mut self, mark: Option<&str>) -> Result<Resumed, SinkError> {
        self.0.resume(mark).await
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        self.flush().await
    }
}
