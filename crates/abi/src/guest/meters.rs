//! `metrics` inside a dynamic library, counted by the host.

use std::sync::Arc;

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use serde_json::{Map, Value};

use super::home;
use crate::layout::{METRIC_ADD, METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_RECORD, METRIC_SET};

/// Ties the metrics of this library to its host.
pub(super) fn install() {
    // The library has its own copy, which nobody has set before.
    let _ = metrics::set_global_recorder(Forward);
}

struct Forward;

/// A metric of the host.
struct Remote(u64);

impl Remote {
    fn of(kind: u32, key: &Key) -> Arc<Self> {
        let labels: Map<String, Value> =
            key.labels().map(|label| (label.key().to_owned(), label.value().into())).collect();
        let labels = if labels.is_empty() { String::new() } else { Value::Object(labels).to_string() };
        Arc::new(Self(home::metric_register(kind, key.name(), &labels)))
    }
}

impl Recorder for Forward {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Remote::of(METRIC_COUNTER, key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Remote::of(METRIC_GAUGE, key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Remote::of(METRIC_HISTOGRAM, key))
    }
}

impl CounterFn for Remote {
    #[expect(clippy::cast_precision_loss, reason = "a counter of the host that is beyond 2^53 is exact enough")]
    fn increment(&self, value: u64) {
        home::metric_update(self.0, METRIC_ADD, value as f64);
    }
    #[expect(clippy::cast_precision_loss, reason = "as above")]
    fn absolute(&self, value: u64) {
        home::metric_update(self.0, METRIC_SET, value as f64);
    }
}

impl GaugeFn for Remote {
    fn increment(&self, value: f64) {
        home::metric_update(self.0, METRIC_ADD, value);
    }
    fn decrement(&self, value: f64) {
        home::metric_update(self.0, METRIC_ADD, -value);
    }
    fn set(&self, value: f64) {
        home::metric_update(self.0, METRIC_SET, value);
    }
}

impl HistogramFn for Remote {
    fn record(&self, value: f64) {
        home::metric_update(self.0, METRIC_RECORD, value);
    }
}
