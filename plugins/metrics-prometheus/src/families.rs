//! Every metric family that Batchmill documents. The executor counts by these names; this table explains them.

/// What a family measures, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How often a value was at most as large as each of these bounds (seconds, ascending).
    Histogram(&'static [f64]),
}

/// A metric family.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Family {
    /// Its name; the unit is the last word of it (`_total` for counters).
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its label names.
    pub labels: &'static [&'static str],
    /// Its help text.
    pub help: &'static str,
}

/// A decision: 100 ns to 10 ms. What lies above is a defect, not a distribution.
const DECISION: &[f64] =
    &[1e-7, 2.5e-7, 5e-7, 1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01];

/// A checkpoint: 1 µs, which is memory, to 10 s, which is a database in need.
const CHECKPOINT: &[f64] = &[
    1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0,
];

/// A write to the disk or to a database: 100 µs to 10 s.
const WRITE: &[f64] = &[1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The life of a job: 1 ms to 1 h.
pub(crate) const LIFE: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 150.0, 300.0, 600.0,
    1800.0, 3600.0,
];

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind: Kind::Gauge, labels, help }
}

const fn histogram(name: &'static str, bounds: &'static [f64], help: &'static str) -> Family {
    Family { name, kind: Kind::Histogram(bounds), labels: &[], help }
}

/// All families, in the order of the documentation.
pub const FAMILIES: &[Family] = &[
    counter("batchmill_jobs_total", &["status", "flow", "tenant"], "Jobs that ended, by how they ended."),
    counter("batchmill_attempts_total", &["outcome"], "Attempts that ended, by their outcome."),
    counter("batchmill_retries_total", &["class"], "Retries decided, by the class of the error."),
    gauge("batchmill_jobs_running", &[], "Attempts that hold a slot."),
    gauge("batchmill_queue_depth", &["tenant"], "Jobs that wait for a slot."),
    gauge("batchmill_backoff_jobs", &[], "Jobs that wait for their retry, without a slot."),
    gauge("batchmill_concurrency_limit", &[], "Attempts that may hold a slot at the same time."),
    counter("batchmill_concurrency_limit_changes_total", &["reason"], "Changes of the concurrency limit, by reason."),
    histogram("batchmill_queue_wait_seconds", LIFE, "Time from queueing to the start of the first attempt."),
    histogram("batchmill_attempt_duration_seconds", LIFE, "Time that an attempt held its slot."),
    histogram("batchmill_job_duration_seconds", LIFE, "Time from the start of a job's first attempt to its end."),
    histogram(
        "batchmill_schedule_decision_seconds",
        DECISION,
        "Time to decide what follows the end of an attempt; one decision in 64 is timed, the first included.",
    ),
    counter("batchmill_sink_writes_total", &["sink", "outcome"], "Writes to a result sink, by outcome."),
    gauge("batchmill_sink_lag_jobs", &["sink"], "Jobs whose result is recorded and that a sink has not yet confirmed."),
    histogram("batchmill_store_commit_seconds", WRITE, "Time until the store answered a group of records."),
    histogram("batchmill_checkpoint_write_seconds", CHECKPOINT, "Time to write a checkpoint."),
    gauge(
        "batchmill_memory_pressure_ratio",
        &[],
        "Memory in use as a share of the tightest limit, that of the cgroups of this process or of the machine, from 0 to 1.",
    ),
    gauge("batchmill_draining", &[], "1 while the host starts nothing new and lets running jobs finish, otherwise 0."),
    gauge("batchmill_plugin_info", &["name", "kind", "version"], "Always 1: a plugin in use."),
    counter(
        "batchmill_plugin_panics_total",
        &["name"],
        "Panics caught at the edge of a plugin: by its kind, and of one that was loaded at run time by its name.",
    ),
    counter(
        "batchmill_plugin_slow_calls_total",
        &["name"],
        "Calls of a plugin that was loaded at run time which took longer than 50 microseconds, of those that are timed: one in 64.",
    ),
    counter(
        "batchmill_plugin_wrong_answers_total",
        &["name"],
        "Answers of a plugin that was loaded at run time which cannot be, and were not followed.",
    ),
    counter("batchmill_conservation_violations_total", &[], "Times the job counters did not add up: a defect."),
    gauge("batchmill_build_info", &["version"], "Always 1: the version of this host."),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_end_with_their_unit() {
        let names: BTreeSet<_> = FAMILIES.iter().map(|family| family.name).collect();
        assert_eq!(names.len(), FAMILIES.len());
        for family in FAMILIES {
            assert!(family.name.starts_with("batchmill_"), "{}", family.name);
            assert_eq!(family.name.ends_with("_seconds"), matches!(family.kind, Kind::Histogram(_)), "{}", family.name);
            assert_eq!(family.name.ends_with("_total"), family.kind == Kind::Counter, "{}", family.name);
        }
    }

    #[test]
    fn no_label_can_name_a_job() {
        for family in FAMILIES {
            for label in ["job", "job_id", "batch", "attempt", "id"] {
                assert!(!family.labels.contains(&label), "{} has the label {label}", family.name);
            }
        }
    }

    #[test]
    fn bounds_ascend() {
        for family in FAMILIES {
            if let Kind::Histogram(bounds) = family.kind {
                assert!(bounds.is_sorted_by(|a, b| a < b), "{}", family.name);
            }
        }
    }
}
