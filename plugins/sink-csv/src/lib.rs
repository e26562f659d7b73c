//! Results as CSV.
//!
//! **What it is.** A [`ResultSink`] that writes one row a result to a file: chosen fields, and columns that jq computes of the
//! result. Values are quoted as RFC 4180 has it.
//!
//! **When to use it.** To look at results in a spreadsheet, or to load them into a database.
//!
//! **What it deliberately does not do.** It does not append to results of another run, compress, or rotate files, and it does
//! not change values that a spreadsheet would take for formulas.
//!
//! ```
//! use batchmill_core::{BatchId, BuildContext, JobId, JobResult, ResultSink, Status};
//! use batchmill_sink_csv::{CsvFile, Options};
//! use serde_json::json;
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! let mut options = Options::new("results.csv");
//! options.columns = vec!["job_id".into(), "status".into(), "kib".into()];
//! options.expressions = [("kib".into(), ".output.bytes / 1024".into())].into();
//! let mut sink = CsvFile::open(&options, &BuildContext::new(folder.path())).unwrap();
//! let mut result = JobResult::new(JobId::new("a, b").unwrap(), 0, Status::Succeeded);
//! result.output = Some(json!({"bytes": 3072}));
//! sink.write(&BatchId::new("inspect").unwrap(), &[result]).await.unwrap();
//! sink.close().await.unwrap();
//!
//! let text = std::fs::read_to_string(sink.path()).unwrap();
//! assert_eq!(text, "job_id,status,kib\n\"a, b\",succeeded,3\n");
//! # });
//! ```

mod columns;
mod options;
mod row;
mod sink;

use batchmill_core::ResultSink;
use batchmill_plugin::{Registry, TypedFactory};

pub use options::{LineEnd, Options};
pub use sink::CsvFile;

/// Makes `kind = "csv"` known.
pub fn register(registry: &mut Registry) {
    registry.register::<dyn ResultSink>(
        TypedFactory::new(
            "csv",
            "writes results as CSV to a file, with computed columns",
            |options: Options, context| Ok(Box::new(CsvFile::open(&options, context)?) as Box<dyn ResultSink>),
        )
        .check(Options::problems),
    );
}

batchmill_plugin::export_plugin!(register, [sink]);
