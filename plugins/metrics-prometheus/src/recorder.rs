//! The recorder of the `metrics` facade, with all families described and every histogram given its buckets.

use metrics::{KeyName, Recorder, Unit};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};

use crate::families::{FAMILIES, Kind, LIFE};

/// A recorder that knows all families and has counted nothing.
pub(crate) fn recorder() -> PrometheusRecorder {
    let recorder = with_buckets().build_recorder();
    for family in FAMILIES {
        let name = KeyName::from_const_str(family.name);
        match family.kind {
            Kind::Counter => recorder.describe_counter(name, None, family.help.into()),
            Kind::Gauge => recorder.describe_gauge(name, None, family.help.into()),
            Kind::Histogram(_) => recorder.describe_histogram(name, Some(Unit::Seconds), family.help.into()),
        }
    }
    recorder
}

/// Without buckets the exporter would turn a histogram into a summary without a word. So families have their own, and a
/// histogram that no table knows (a plugin's) has those of a job's life.
fn with_buckets() -> PrometheusBuilder {
    let own = FAMILIES.iter().filter_map(|family| match family.kind {
        Kind::Histogram(bounds) => Some((Matcher::Full(family.name.to_owned()), bounds)),
        _ => None,
    });
    own.chain([(Matcher::Prefix(String::new()), LIFE)]).fold(PrometheusBuilder::new(), |builder, (matcher, bounds)| {
        builder.set_buckets_for_metric(matcher, bounds).expect("the tables of buckets are not empty")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::in_order;

    /// What is rendered after `count` has counted.
    fn rendered(count: impl FnOnce()) -> String {
        let recorder = recorder();
        metrics::with_local_recorder(&recorder, count);
        in_order(&recorder.handle().render())
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
            "batchmill_schedule_decision_seconds_bucket{le=\"0.001\"} 1",
            "batchmill_schedule_decision_seconds_bucket{le=\"+Inf\"} 1",
            "batchmill_schedule_decision_seconds_count 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn a_histogram_of_a_stranger_is_a_histogram_too() {
        let text = rendered(|| metrics::histogram!("my_plugin_seconds").record(1.0));
        assert!(text.contains("# TYPE my_plugin_seconds histogram\n"), "{text}");
    }
}
