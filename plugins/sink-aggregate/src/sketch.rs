//! Quantiles of numbers in bounded memory, with a bounded relative error.
//!
//! Each number is counted in a bin whose ends are 2.02 % apart, so that the middle of the bin is within 1 % of the number
//! (DDSketch: Masson, Rim and Lee, *DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees*,
//! VLDB 2019, without the collapsing of bins: the range of numbers is bounded instead).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The relative error.
const ERROR: f64 = 0.01;

/// Smaller numbers count as zero, larger ones as this large: 2,764 bins on either side of zero.
const SMALLEST: f64 = 1e-9;
const LARGEST: f64 = 1e15;

/// How many numbers of which size there were.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sketch {
    #[serde(rename = "n", default, skip_serializing_if = "BTreeMap::is_empty")]
    negative: BTreeMap<i16, u64>,
    #[serde(rename = "z", default, skip_serializing_if = "is_zero")]
    zero: u64,
    #[serde(rename = "p", default, skip_serializing_if = "BTreeMap::is_empty")]
    positive: BTreeMap<i16, u64>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn gamma() -> f64 {
    (1.0 + ERROR) / (1.0 - ERROR)
}

/// The bin of a number above zero.
fn bin(number: f64) -> i16 {
    let number = number.min(LARGEST);
    #[expect(clippy::cast_possible_truncation, reason = "from -1,037 to 1,727")]
    let bin = (number.ln() / gamma().ln()).ceil() as i16;
    bin
}

/// What stands for the numbers of a bin.
fn middle(bin: i16) -> f64 {
    2.0 * gamma().powi(bin.into()) / (gamma() + 1.0)
}

impl Sketch {
    pub(crate) fn add(&mut self, number: f64) {
        let count = match number.abs() {
            size if size < SMALLEST => &mut self.zero,
            size if number > 0.0 => self.positive.entry(bin(size)).or_default(),
            size => self.negative.entry(bin(size)).or_default(),
        };
        *count += 1;
    }

    /// How many bins it has: its memory.
    pub(crate) fn bins(&self) -> usize {
        self.negative.len() + self.positive.len()
    }

    /// The number that `percent` of all are not above (nearest rank); `None` of none.
    pub(crate) fn percentile(&self, percent: f64) -> Option<f64> {
        let all = self.negative.values().sum::<u64>() + self.zero + self.positive.values().sum::<u64>();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank"
        )]
        let rank = ((percent / 100.0 * all as f64).ceil() as u64).clamp(1, all.max(1));
        let below = self.negative.iter().rev().map(|(bin, count)| (-middle(*bin), *count));
        let above = self.positive.iter().map(|(bin, count)| (middle(*bin), *count));
        let mut passed = 0;
        below.chain([(0.0, self.zero)]).chain(above).find_map(|(number, count)| {
            passed += count;
            (passed >= rank && count > 0).then_some(number)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sketch(numbers: &[f64]) -> Sketch {
        let mut sketch = Sketch::default();
        numbers.iter().for_each(|number| sketch.add(*number));
        sketch
    }

    #[test]
    fn nothing_has_no_percentile() {
        assert_eq!(Sketch::default().percentile(50.0), None);
    }

    #[test]
    fn its_memory_is_bounded_whatever_the_numbers() {
        let mut sketch = Sketch::default();
        for exponent in -30..30 {
            for step in 0..2000 {
                let size = 10_f64.powi(exponent) * (1.0 + f64::from(step) / 220.0);
                sketch.add(size);
                sketch.add(-size);
            }
        }
        assert!(sketch.bins() <= 2 * 2764, "{}", sketch.bins());
        assert!((sketch.percentile(100.0).unwrap() / LARGEST - 1.0).abs() <= 2.0 * ERROR);
    }

    proptest! {
        #[test]
        fn every_percentile_is_within_one_percent(
            mut numbers in prop::collection::vec(prop_oneof![-1e6..1e6_f64, 1e-6..1e-3_f64, Just(0.0)], 1..200),
            percent in 0.01..=100.0_f64,
        ) {
            let found = sketch(&numbers).percentile(percent).unwrap();
            numbers.sort_by(f64::total_cmp);
            #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank")]
            let rank = ((percent / 100.0 * numbers.len() as f64).ceil() as usize).clamp(1, numbers.len());
            let exact = numbers[rank - 1];
            prop_assert!((found - exact).abs() <= exact.abs() * ERROR * 1.0001 + SMALLEST, "{found} for {exact}");
        }

        #[test]
        fn it_reads_back(numbers in prop::collection::vec(-1e6..1e6_f64, 0..50)) {
            let before = sketch(&numbers);
            let after: Sketch = serde_json::from_str(&serde_json::to_string(&before).unwrap()).unwrap();
            prop_assert_eq!(before, after);
        }
    }
}
