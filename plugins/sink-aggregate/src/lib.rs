//! What results come to: counts, sums, percentiles and reductions, over all of them and by group.
//!
//! **What it is.** A [`ResultSink`] that keeps numbers instead of results. jq says which results count (`where`), in which group
//! each is, which number of it is looked at (its duration unless said otherwise), and how a value changes with each. The numbers
//! are in the report of the batch, and in a file.
//!
//! **When to use it.** To know how a batch went without reading a million results: failures by class, bytes by tenant, the 99th
//! percentile of durations.
//!
//! **What it deliberately does not do.** It keeps no results, so it cannot tell more than it was asked for before they came.
//! Percentiles are within 1 %; everything else is exact.
//!
//! ```
//! use batchmill_core::{BatchId, BuildContext, JobId, JobResult, ResultSink, Status};
//! use batchmill_sink_aggregate::{AggregateOptions, Aggregates, Options};
//! use serde_json::json;
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! let mut bytes = AggregateOptions::new("bytes");
//! bytes.value = Some(".output.bytes".into());
//! bytes.statistics = Some(vec!["count".into(), "sum".into()]);
//! let mut sink = Aggregates::open(&Options::new("sums.json", vec![bytes]), &BuildContext::new(folder.path())).unwrap();
//! for (place, bytes) in [3, 4].into_iter().enumerate() {
//!     let mut result = JobResult::new(JobId::from(place as u64), place as u64, Status::Succeeded);
//!     result.output = Some(json!({"bytes": bytes}));
//!     sink.write(&BatchId::new("inspect").unwrap(), &[result]).await.unwrap();
//! }
//! assert_eq!(sink.json()["aggregates"][0]["total"], json!({"count": 2, "sum": 7}));
//! # });
//! ```

mod aggregate;
mod options;
mod place;
mod sink;
mod sketch;
mod statistic;
mod tally;

use batchmill_core::ResultSink;
use batchmill_plugin::{Registry, TypedFactory};

pub use options::{AggregateOptions, Options, Reduce};
pub use sink::Aggregates;

/// Makes `kind = "aggregate"` known.
pub fn register(registry: &mut Registry) {
    let about = "counts, sums, percentiles and reductions of results, whole and by group";
    registry.register::<dyn ResultSink>(
        TypedFactory::new("aggregate", about, |options: Options, context| {
            Ok(Box::new(Aggregates::open(&options, context)?) as Box<dyn ResultSink>)
        })
        .check(Options::problems),
    );
}

batchmill_plugin::export_plugin!(register, [sink]);
