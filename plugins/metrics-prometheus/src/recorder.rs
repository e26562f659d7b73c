//! The recorder of the `metrics` facade: every series there is, and the text that shows them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
};

use metrics::{Key, KeyName, Metadata, SharedString, Unit};

use crate::{
    families::{FAMILIES, Family, Kind, LIFE},
    histogram::Histogram,
    text,
};

/// Keeps the numbers of this process. It knows the families of [`FAMILIES`] by their help and their buckets; a histogram
/// that is not among them (a plugin's) gets the buckets of a job's life, and never becomes a summary. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Recorder(Arc<Mutex<Families>>);

type Families = BTreeMap<String, Entry>;

/// A family, by what it measures. The series have their labels as they are written between braces.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub(crate) help: Option<SharedString>,
    pub(crate) series: Option<Series>,
}

#[derive(Debug)]
pub(crate) enum Series {
    Counters(BTreeMap<String, Arc<AtomicU64>>),
    /// The bits of `f64`s.
    Gauges(BTreeMap<String, Arc<AtomicU64>>),
    Histograms(BTreeMap<String, Arc<Histogram>>),
}

impl Recorder {
    /// The present numbers in Prometheus's text format: families by name, samples by labels.
    pub fn render(&self) -> String {
        text::of(&self.lock())
    }

    /// Held for the time of a look-up or of a rendering; whoever counts holds a handle and takes no lock.
    fn lock(&self) -> MutexGuard<'_, Families> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The series of `key`, made where it is missing. `None` where the name is that of a family of another kind: the text
    /// format has one kind a name.
    fn series<T>(&self, key: &Key, fresh: impl FnOnce() -> Series, find: impl Find<T>) -> Option<Arc<T>> {
        let name = text::name(key.name());
        let labels = text::labels(key.labels());
        let mut families = self.lock();
        let entry = families.entry(name).or_default();
        let found = find(entry.series.get_or_insert_with(fresh), labels);
        drop(families);
        if found.is_none() {
            tracing::error!(
                metric = key.name(),
                "a metric is counted as two kinds of metric; the later one is not kept"
            );
        }
        found
    }

    fn describe(&self, name: &KeyName, help: SharedString) {
        self.lock().entry(text::name(name.as_str())).or_default().help.get_or_insert(help);
    }
}

trait Find<T>: FnOnce(&mut Series, String) -> Option<Arc<T>> {}
impl<T, F: FnOnce(&mut Series, String) -> Option<Arc<T>>> Find<T> for F {}

/// The row of the table, where there is one.
pub(crate) fn family(name: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| family.name == name)
}

fn bounds(name: &str) -> &'static [f64] {
    match family(name).map(|family| family.kind) {
        Some(Kind::Histogram(bounds)) => bounds,
        _ => LIFE,
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&name, help);
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&name, help);
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&name, help);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> metrics::Counter {
        let found = self.series(
            key,
            || Series::Counters(BTreeMap::new()),
            |series, labels| match series {
                Series::Counters(counters) => Some(counters.entry(labels).or_default().clone()),
                _ => None,
            },
        );
        found.map_or_else(metrics::Counter::noop, metrics::Counter::from_arc)
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> metrics::Gauge {
        let found = self.series(
            key,
            || Series::Gauges(BTreeMap::new()),
            |series, labels| match series {
                Series::Gauges(gauges) => Some(gauges.entry(labels).or_default().clone()),
                _ => None,
            },
        );
        found.map_or_else(metrics::Gauge::noop, metrics::Gauge::from_arc)
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> metrics::Histogram {
        let fresh = || Arc::new(Histogram::new(bounds(key.name())));
        let found = self.series(
            key,
            || Series::Histograms(BTreeMap::new()),
            |series, labels| match series {
                Series::Histograms(histograms) => Some(histograms.entry(labels).or_insert_with(fresh).clone()),
                _ => None,
            },
        );
        found.map_or_else(metrics::Histogram::noop, metrics::Histogram::from_arc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is rendered after `count` has counted.
    fn rendered(count: impl FnOnce()) -> String {
        let recorder = Recorder::default();
        metrics::with_local_recorder(&recorder, count);
        recorder.render()
    }

    #[test]
    fn every_family_renders_with_its_help_and_type() {
        let text = rendered(|| {
            for family in FAMILIES {
                let labels: Vec<(&str, &str)> = family.labels.iter().map(|label| (*label, "x")).collect();
                match family.kind {
                    Kind::Counter => metrics::counter!(family.name, &labels).increment(1),
                    Kind::Gauge => metrics::gauge!(family.name, &labels).set(1.0),
                    Kind::Histogram(_) => metrics::histogram!(family.name, &labels).record(0.01),
                }
            }
        });
        for family in FAMILIES {
            let kind = match family.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram(_) => "histogram",
            };
            let (name, help) = (family.name, family.help);
            assert!(text.contains(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n")), "{name} in\n{text}");
        }
    }

    #[test]
    fn a_histogram_has_the_bounds_of_its_table() {
        let text = rendered(|| metrics::histogram!("batchmill_schedule_decision_seconds").record(3e-7));
        for line in [
            "batchmill_schedule_decision_seconds_bucket{le=\"0.00000025\"} 0",
            "batchmill_schedule_decision_seconds_bucket{le=\"0.0000005\"} 1",
            "batchmill_schedule_decision_seconds_bucket{le=\"0.01\"} 1",
            "batchmill_schedule_decision_seconds_bucket{le=\"+Inf\"} 1",
            "batchmill_schedule_decision_seconds_count 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn a_histogram_of_a_stranger_is_a_histogram_too() {
        let text = rendered(|| {
            metrics::describe_histogram!("my_plugin_seconds", "Time of\nmine.");
            metrics::histogram!("my_plugin_seconds", "kind" => "a").record(1.0);
        });
        assert!(
            text.contains("# HELP my_plugin_seconds Time of\\nmine.\n# TYPE my_plugin_seconds histogram\n"),
            "{text}"
        );
        assert!(text.contains("my_plugin_seconds_bucket{kind=\"a\",le=\"0.5\"} 0\n"), "{text}");
    }

    #[test]
    fn handles_of_one_name_and_labels_are_one_series_whatever_the_order_of_labels() {
        let text = rendered(|| {
            metrics::counter!("made_total", "a" => "1", "b" => "2").increment(1);
            metrics::counter!("made_total", "b" => "2", "a" => "1").increment(2);
        });
        assert!(text.ends_with("made_total{a=\"1\",b=\"2\"} 3\n"), "{text}");
    }

    #[test]
    fn a_name_has_one_kind() {
        let text = rendered(|| {
            metrics::counter!("made_total").increment(1);
            metrics::gauge!("made_total").set(7.0);
        });
        assert_eq!(text, "# TYPE made_total counter\nmade_total 1\n");
    }
}
