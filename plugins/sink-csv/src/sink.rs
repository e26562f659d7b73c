//! CSV in a file that holds whole rows only.

use std::path::Path;

use async_trait::async_trait;
use batchmill_core::{BatchId, BuildContext, BuildError, JobResult, ResultSink, Resumed, SinkError};
use batchmill_plugin::{ResultFile, ResultFileOptions};

use crate::{
    Options,
    columns::Columns,
    row::{Row, header},
};

/// A guess at the length of a row.
const ROW_BYTES_GUESS: usize = 256;

/// Writes results to a file, one row each. What a [`ResultFile`] promises holds for it.
#[derive(Debug)]
pub struct CsvFile {
    file: ResultFile,
    columns: Columns,
    /// Stands at the beginning of the file, and may be empty.
    header: String,
    delimiter: char,
    line_end: &'static str,
}

impl CsvFile {
    /// Opens the file, and makes it if it is not there. Nothing is written, or emptied, before the first call.
    pub fn open(options: &Options, context: &BuildContext) -> Result<Self, BuildError> {
        let columns = Columns::compile(options).map_err(BuildError::Options)?;
        let (delimiter, line_end) = (options.delimiter, options.line_end.as_str());
        let header = if options.header { header(columns.names(), delimiter, line_end) } else { String::new() };
        let mut file = ResultFileOptions::new(&options.path);
        file.overwrite = options.overwrite;
        file.begin = header.clone().into_bytes();
        file.form = form(&format!("{delimiter:?} {line_end:?} {} {}", options.header, columns.text()));
        Ok(Self { file: ResultFile::open(file, context)?, columns, header, delimiter, line_end })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The header, where it is still to be written.
    fn begin(&self) -> String {
        if self.file.is_empty() { self.header.clone() } else { String::new() }
    }
}

/// A short name for a long text (FNV-1a, 64 bits): marks are short.
fn form(text: &str) -> String {
    let hash = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, hash))
}

#[async_trait]
impl ResultSink for CsvFile {
    async fn write(&mut self, batch: &BatchId, results: &[JobResult]) -> Result<(), SinkError> {
        if results.is_empty() {
            return Ok(());
        }
        let mut text = self.begin();
        text.reserve(results.len() * ROW_BYTES_GUESS);
        for result in results {
            self.columns.write(batch, result, Row::new(&mut text, self.delimiter, self.line_end));
        }
        self.file.append(text.into_bytes()).await
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        self.file.sync().await
    }

    fn mark(&self) -> Option<String> {
        self.file.mark()
    }

    async fn resume(&mut self, mark: Option<&str>) -> Result<Resumed, SinkError> {
        self.file.resume(mark).await
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        // A batch without results has a table without rows.
        self.file.append(self.begin().into_bytes()).await?;
        self.columns.tell_failed(&self.file.path().display().to_string());
        self.flush().await
    }
}
