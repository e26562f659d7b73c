//! What is compared with what.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// A comparison. The first side is what the others are divided by.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) unit: Unit,
    pub(crate) sides: Vec<Side>,
    pub(crate) goals: Vec<Goal>,
    /// Whether a smaller run of every side, which does not count, comes first.
    pub(crate) warm_up: bool,
}

/// What a value means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    JobsPerSecond,
    Seconds,
    Nanoseconds,
    BytesPerJob,
}

/// Where a side comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Batchmill,
    /// Code of the kind that people write, in this program.
    ByHand,
    /// A program from outside: skipped where it is missing.
    Outside,
}

/// One of those that are compared.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// The jobs of a full round.
    pub(crate) jobs: u32,
    /// Runs a round of so many jobs.
    pub(crate) run: Box<dyn FnMut(u32) -> Result<Sample, String>>,
}

/// What one round of one side showed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sample {
    /// In the unit of the case.
    pub(crate) value: f64,
    /// CPU time a job.
    pub(crate) cpu_nanos: Option<f64>,
}

/// What one side is to reach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Goal {
    pub(crate) side: String,
    /// The side that it is divided by; without, the value itself counts.
    pub(crate) against: Option<String>,
    pub(crate) bound: Bound,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Case {
    pub(crate) fn new(name: impl Into<String>, unit: Unit) -> Self {
        Self { name: name.into(), unit, sides: Vec::new(), goals: Vec::new(), warm_up: true }
    }

    pub(crate) fn side(
        mut self,
        kind: Kind,
        name: &'static str,
        jobs: u32,
        run: impl FnMut(u32) -> Result<Sample, String> + 'static,
    ) -> Self {
        self.sides.push(Side { name, kind, jobs, run: Box::new(run) });
        self
    }

    /// `side` divided by `against` is to be within `bound`.
    pub(crate) fn goal(mut self, side: &str, against: &str, bound: Bound) -> Self {
        self.goals.push(Goal { side: side.to_owned(), against: Some(against.to_owned()), bound });
        self
    }

    /// `side` itself is to be within `bound`.
    pub(crate) fn goal_of(mut self, side: &str, bound: Bound) -> Self {
        self.goals.push(Goal { side: side.to_owned(), against: None, bound });
        self
    }

    /// Where a first run costs the same as any other.
    pub(crate) fn without_warm_up(mut self) -> Self {
        self.warm_up = false;
        self
    }
}

impl Sample {
    /// A value that has no CPU time.
    pub(crate) fn of(value: f64) -> Self {
        Self { value, cpu_nanos: None }
    }

    /// The median of times, in nanoseconds.
    pub(crate) fn median(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let middle = times.get(times.len() / 2).copied().unwrap_or_default();
        Self::of(middle.as_secs_f64() * 1e9)
    }

    /// A time in seconds, and what `jobs` jobs cost in it.
    pub(crate) fn costing(seconds: f64, cpu_seconds: f64, jobs: u32) -> Self {
        Self { value: seconds, cpu_nanos: Some(cpu_seconds * 1e9 / f64::from(jobs)) }
    }

    /// Jobs a second, of a time in seconds.
    pub(crate) fn into_rate(self, jobs: u32) -> Self {
        Self { value: f64::from(jobs) / self.value, ..self }
    }
}

impl Bound {
    pub(crate) fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(bound) => write!(f, "at least {bound}"),
            Self::AtMost(bound) => write!(f, "at most {bound}"),
        }
    }
}

impl fmt::Debug for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Side").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}
