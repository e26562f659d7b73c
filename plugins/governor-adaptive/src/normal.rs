//! What is normal: the least of late.

use super::observed::Observed;

/// How fast a lower value is believed, and how slowly a higher one: where values only scatter, what is normal lies low among
/// them, and where the work itself becomes longer, it follows.
const DOWN: f64 = 0.15;
const UP: f64 = 0.005;
/// A service that fails more often than that is never normal.
const STRAINED_MAX: f64 = 0.5;

#[derive(Debug, Default)]
pub(crate) struct Normal {
    ratio: Option<f64>,
    strained: f64,
}

impl Normal {
    /// What is beyond the tolerance says nothing of what is normal.
    pub(crate) fn learn(&mut self, observed: &Observed, tolerance: f64) {
        let tolerated = |ratio: &f64| self.ratio.is_none_or(|normal| *ratio <= normal * tolerance);
        if let Some(ratio) = observed.ratio().filter(tolerated) {
            self.ratio = Some(self.ratio.map_or(ratio, |normal| towards(normal, ratio)));
        }
        self.strained = towards(self.strained, observed.strained()).min(STRAINED_MAX);
    }

    /// The latency is not of our making.
    pub(crate) fn relearn(&mut self, ratio: f64) {
        self.ratio = Some(ratio);
    }

    /// Observed over expected time, normally.
    pub(crate) fn ratio(&self) -> f64 {
        self.ratio.unwrap_or(1.0)
    }

    /// The share of attempts that fail by strain, normally.
    pub(crate) fn strained(&self) -> f64 {
        self.strained
    }
}

fn towards(normal: f64, seen: f64) -> f64 {
    normal + (seen - normal) * if seen < normal { DOWN } else { UP }
}
