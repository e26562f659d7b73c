//! What is kept of some results: how many, their values, and what jq made of them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{sketch::Sketch, statistic::Statistic};

/// Everything about the results of one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tally {
    #[serde(rename = "c")]
    pub(crate) results: u64,
    #[serde(rename = "v", default, skip_serializing_if = "Values::is_empty")]
    pub(crate) values: Values,
    /// What the reduction has come to.
    #[serde(rename = "r", default, skip_serializing_if = "Value::is_null")]
    pub(crate) reduced: Value,
}

/// Numbers, as far as anybody asks for them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Values {
    #[serde(rename = "c")]
    count: u64,
    #[serde(rename = "s")]
    sum: Bits,
    #[serde(rename = "l")]
    min: Bits,
    #[serde(rename = "h")]
    max: Bits,
    #[serde(rename = "q", default)]
    sketch: Sketch,
}

/// A number that reads back as exactly the same.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Bits(f64);

impl Serialize for Bits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0.to_bits())
    }
}

impl<'de> Deserialize<'de> for Bits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(|bits| Self(f64::from_bits(bits)))
    }
}

impl Tally {
    pub(crate) fn new(initial: Value) -> Self {
        Self { results: 0, values: Values::default(), reduced: initial }
    }

    /// How much there is to write down of it.
    pub(crate) fn parts(&self) -> usize {
        1 + self.values.sketch.bins()
    }

    /// One object: the statistics that are asked for, and the reduction.
    pub(crate) fn json(&self, statistics: &[Statistic], has_reduced: bool) -> Map<String, Value> {
        let mut map: Map<String, Value> =
            statistics.iter().map(|statistic| (statistic.to_string(), self.statistic(statistic))).collect();
        if has_reduced {
            map.insert("reduced".to_owned(), self.reduced.clone());
        }
        map
    }

    fn statistic(&self, statistic: &Statistic) -> Value {
        let values = &self.values;
        let of_some = |found: f64| if values.count == 0 { Value::Null } else { number(found) };
        #[expect(clippy::cast_precision_loss, reason = "a mean is a fraction")]
        let mean = values.sum.0 / values.count as f64;
        match statistic {
            Statistic::Count => self.results.into(),
            Statistic::Values => values.count.into(),
            Statistic::Sum => number(values.sum.0),
            Statistic::Mean => of_some(mean),
            Statistic::Min => of_some(values.min.0),
            Statistic::Max => of_some(values.max.0),
            Statistic::Percentile { percent, .. } => {
                // The ends are known exactly.
                let found = values.sketch.percentile(*percent).map(|found| found.clamp(values.min.0, values.max.0));
                found.map_or(Value::Null, number)
            }
        }
    }
}

impl Values {
    fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn add(&mut self, value: f64, with_sketch: bool) {
        let is_first = self.count == 0;
        self.count += 1;
        self.sum.0 += value;
        self.min.0 = if is_first { value } else { self.min.0.min(value) };
        self.max.0 = if is_first { value } else { self.max.0.max(value) };
        if with_sketch {
            self.sketch.add(value);
        }
    }
}

/// Whole numbers without a point, others to nine digits behind it.
fn number(value: f64) -> Value {
    const EXACT_BELOW: f64 = 9e15;
    let rounded = (value * 1e9).round() / 1e9;
    let shown = if rounded.is_finite() && value.abs() < 1e6 { rounded } else { value };
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
    if shown.fract() == 0.0 && shown.abs() < EXACT_BELOW { (shown as i64).into() } else { shown.into() }
}
