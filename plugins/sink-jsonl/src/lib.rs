//! Results as JSON Lines.
//!
//! **What it is.** A [`ResultSink`] that writes one JSON object a line, in the fields and order of the reference: to a file
//! ([`JsonLinesFile`], `kind = "jsonl"`), or to any stream ([`JsonLinesWriter`], which the host puts on standard output).
//!
//! **When to use it.** To keep results where `jq`, `grep`, a spreadsheet or the next batch can read them.
//!
//! **What it deliberately does not do.** It does not append to results of another run, compress, or rotate files.
//!
//! ```
//! use batchmill_core::{BatchId, BuildContext, JobId, JobResult, ResultSink, Status};
//! use batchmill_sink_jsonl::{JsonLinesFile, Options};
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! let mut sink = JsonLinesFile::open(&Options::new("results.jsonl"), &BuildContext::new(folder.path())).unwrap();
//! let result = JobResult::new(JobId::new("a").unwrap(), 0, Status::Succeeded);
//! sink.write(&BatchId::new("inspect").unwrap(), &[result]).await.unwrap();
//! sink.close().await.unwrap();
//!
//! let text = std::fs::read_to_string(sink.path()).unwrap();
//! assert!(text.starts_with(r#"{"batch":"inspect","job_id":"a","sequence":0,"#) && text.ends_with("}\n"));
//! # });
//! ```

mod file;
mod lines;
mod options;
mod stream;

use batchmill_core::ResultSink;
use batchmill_plugin::{Registry, TypedFactory};

pub use file::JsonLinesFile;
pub use options::Options;
pub use stream::JsonLinesWriter;

/// Makes `kind = "jsonl"` known.
pub fn register(registry: &mut Registry) {
    registry.register::<dyn ResultSink>(
        TypedFactory::new("jsonl", "writes results as JSON Lines to a file", |options: Options, context| {
            Ok(Box::new(JsonLinesFile::open(&options, context)?) as Box<dyn ResultSink>)
        })
        .check(Options::problems),
    );
}

batchmill_plugin::export_plugin!(register, [sink]);
