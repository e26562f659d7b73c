//! The settings of `adaptive`.

use std::time::Duration;

use batchmill_core::Problem;
use batchmill_plugin::HumanDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Nobody is asked more often.
const WINDOW_MIN: Duration = Duration::from_millis(100);
const WINDOW_MAX: Duration = Duration::from_secs(3600);

/// How the limit follows what is observed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Algorithm {
    /// In proportion: twice the latency halves the limit, and growth quickens while nothing speaks against it.
    #[default]
    Gradient,
    /// One more a window, a tenth less at each sign of too much: slow and steady.
    Aimd,
}

/// How far the limit follows what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Options {
    /// How the limit follows what is observed: `gradient` or `aimd`.
    pub algorithm: Algorithm,
    /// The limit never falls below. At least 1.
    #[schemars(range(min = 1))]
    pub min: u32,
    /// The limit never grows above.
    #[schemars(range(min = 1))]
    pub max: u32,
    /// How often what was observed is looked at. 100 ms to 1 h.
    pub window: HumanDuration,
    /// A window counts only once so many attempts have ended in it; until then it goes on. At least 1.
    #[schemars(range(min = 1))]
    pub min_sample: u64,
    /// How much longer than normal nodes may take before the limit falls. Above 1, at most 10.
    #[schemars(range(min = 1.0, max = 10.0))]
    pub tolerance: f64,
    /// The share of attempts that may fail by strain (`transient`, `timeout`, `resource`) above what is normal. 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub error_tolerance: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::default(),
            min: 1,
            max: 200,
            window: HumanDuration::from_secs(1),
            min_sample: 10,
            tolerance: 1.15,
            error_tolerance: 0.05,
        }
    }
}

impl Options {
    /// Everything that types do not say; empty when the options are good.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (key, limit) in [("min", self.min), ("max", self.max)] {
            if limit == 0 {
                problems.push(Problem::new([key], "must be at least 1, found 0"));
            }
        }
        if self.min > self.max {
            problems.push(Problem::new(["min"], format!("`min` ({}) is above `max` ({})", self.min, self.max)));
        }
        let window: Duration = self.window.into();
        if !(WINDOW_MIN..=WINDOW_MAX).contains(&window) {
            problems.push(Problem::new(["window"], format!("must be from 100ms to 1h, found {}", self.window)));
        }
        if self.min_sample == 0 {
            problems.push(Problem::new(["min_sample"], "must be at least 1, found 0"));
        }
        // Written so that NaN is refused too.
        if !(self.tolerance > 1.0 && self.tolerance <= 10.0) {
            let message = format!("must be above 1 and at most 10, found {}", self.tolerance);
            problems.push(Problem::new(["tolerance"], message));
        }
        if !(0.0..=1.0).contains(&self.error_tolerance) {
            let message = format!("must be from 0 to 1, found {}", self.error_tolerance);
            problems.push(Problem::new(["error_tolerance"], message));
        }
        problems
    }
}
