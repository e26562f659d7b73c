//! Batchmill's metrics for Prometheus.
//!
//! **What it is.** The metrics exporter of kind `prometheus`. It answers `GET /metrics` on an address of its own, writes
//! the same text to a file for the node exporter's textfile collector, or does both. It knows every family that Batchmill
//! documents: their help texts and, for histograms, their buckets (the table in `families`).
//!
//! **When to use it.** With `listen` where a Prometheus server scrapes; with `linger` or `textfile` too where a batch may end
//! between two scrapes.
//!
//! **What it deliberately does not do.** It counts nothing itself, speaks no TLS, asks for no password, pushes nothing,
//! and reports nothing about the process (`process_*`): that is the node exporter's work.
//!
//! ```
//! use batchmill_core::{BuildContext, MetricsExporter, Options};
//! use batchmill_plugin::Registry;
//!
//! let mut registry = Registry::default();
//! batchmill_metrics_prometheus::register(&mut registry);
//! let factory = registry.get::<dyn MetricsExporter>("prometheus").unwrap();
//!
//! // Port 0: any free one.
//! let mut options = Options::new();
//! options.insert("listen".into(), "127.0.0.1:0".into());
//! let exporter = factory.build(&options, &BuildContext::default()).unwrap();
//! exporter.install().unwrap();
//! metrics::gauge!("batchmill_jobs_running").set(2.0);
//! assert!(exporter.render().contains("\nbatchmill_jobs_running 2\n"));
//! ```

mod exporter;
mod families;
mod histogram;
mod http;
mod options;
mod page;
mod recorder;
mod text;
mod textfile;
mod threads;

use batchmill_core::MetricsExporter;
use batchmill_plugin::{Registry, TypedFactory};

pub use exporter::Prometheus;
pub use families::{FAMILIES, Family, Kind};
pub use options::{Listen, Options};
pub use recorder::Recorder;

/// Adds the exporter `prometheus`.
pub fn register(registry: &mut Registry) {
    registry.register::<dyn MetricsExporter>(
        TypedFactory::new(
            "prometheus",
            "metrics for Prometheus, at /metrics or in a text file",
            |options: Options, context| {
                let exporter = Prometheus::open(&options, &context.directory)?;
                Ok(Box::new(exporter) as Box<dyn MetricsExporter>)
            },
        )
        .check(Options::problems),
    );
}
