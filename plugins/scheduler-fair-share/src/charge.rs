//! What a job is charged, in whole numbers.
//!
//! An *amount* is nanoseconds of a slot, or of a GiB, or billionths of a cost. A *pass* is where a share stands in virtual time: the sum
//! of its amounts, each multiplied with its stride. Multiplying is exact, so what was charged for an estimate is given
//! back to the last digit: a billion corrections leave no trace, as they would in floating point.

/// The stride of weight 1. A multiple of 1 to 16, so that small whole weights divide it and meet again exactly.
const UNIT: u64 = 720_720 << 20;

/// The most that one job is charged: 146 years of a slot.
pub(crate) const AMOUNT_MAX: u64 = 1 << 62;

/// A billionth of cost is the grain.
pub(crate) const PER_COST: u64 = 1_000_000_000;

/// What an attempt of cost 1 is charged as long as none has ended, and the least that one is charged. Small, because too
/// little is made up for at its end, while too much would keep others waiting until then.
const LEAST: u64 = 1000;

/// How far virtual time goes for an amount: inverse to the weight, off by less than a millionth of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stride(u64);

impl Stride {
    pub(crate) fn of(weight: f64) -> Self {
        Self((UNIT as f64 / weight).round() as u64)
    }

    /// At most 122 bits: some jobs of the longest kind fit even at the smallest weight, and a billion that run an hour
    /// each at weight 1 take 103 bits.
    pub(crate) fn times(self, amount: u64) -> u128 {
        u128::from(self.0) * u128::from(amount)
    }

    /// The same for a sum of amounts.
    pub(crate) fn times_all(self, amount: u128) -> u128 {
        amount.saturating_mul(self.0.into())
    }

    /// How far virtual time goes for what went so far with the stride `before`.
    pub(crate) fn instead_of(self, before: Self, far: u128) -> u128 {
        let (amount, rest) = (far / u128::from(before.0), far % u128::from(before.0));
        self.times_all(amount).saturating_add(rest * u128::from(self.0) / u128::from(before.0))
    }
}

/// A cost as it is kept with a waiting job: 24 bits of precision are more than an estimate has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cost(f32);

impl Cost {
    pub(crate) fn of(cost: f64) -> Self {
        Self(cost as f32)
    }

    pub(crate) fn amount(self) -> u64 {
        self.of_each(PER_COST)
    }

    /// What was used, for a cost of 1.
    pub(crate) fn per_cost(self, used: u64) -> u64 {
        if self.is_one() {
            return used.clamp(1, AMOUNT_MAX);
        }
        ((used as f64 / f64::from(self.0)) as u64).clamp(1, AMOUNT_MAX)
    }

    /// Most jobs cost 1, and conversions take longer than all else here.
    #[expect(clippy::float_cmp, reason = "1.0 is the default itself, not a computed value")]
    fn is_one(self) -> bool {
        self.0 == 1.0
    }

    fn of_each(self, amount: u64) -> u64 {
        if self.is_one() {
            return amount.clamp(1, AMOUNT_MAX);
        }
        // The conversion saturates, and a share is never charged nothing.
        ((f64::from(self.0) * amount as f64) as u64).clamp(1, AMOUNT_MAX)
    }
}

/// How long an attempt held its slot, as an amount; 0 for one that was picked and did not run.
pub(crate) fn used(ran: std::time::Duration) -> u64 {
    match u64::try_from(ran.as_nanos()).unwrap_or(u64::MAX) {
        0 => 0,
        nanos => nanos.clamp(LEAST, AMOUNT_MAX),
    }
}

/// How much memory an attempt held for how long, as an amount: nanoseconds of a GiB. 0 for one that did not run.
pub(crate) fn held(ran: std::time::Duration, bytes: u64) -> u64 {
    // Rounded up, so an attempt that ran is never free.
    let amount = ran.as_nanos().saturating_mul(bytes.max(1).into()).div_ceil(1 << 30);
    u64::try_from(amount).unwrap_or(u64::MAX).min(AMOUNT_MAX)
}

/// How long attempts of cost 1 usually take.
///
/// A moving average that takes a long attempt for at most twice the usual: one hour among seconds must not make the next
/// seconds count as minutes. It comes down as fast as the attempts do.
///
/// No sample is 0, which stands for nothing known.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usual(u64);

impl Usual {
    pub(crate) const NOTHING_ENDED: Self = Self(LEAST);

    pub(crate) fn is_known(self) -> bool {
        self.0 > 0
    }

    /// This, or the next best where nothing is known.
    pub(crate) fn or(self, other: Self) -> Self {
        if self.is_known() { self } else { other }
    }

    /// What an attempt of this cost will probably use.
    pub(crate) fn estimate(self, cost: Cost) -> u64 {
        cost.of_each(self.0)
    }

    /// An attempt used this much per cost.
    pub(crate) fn learn(&mut self, sample: u64) {
        self.0 = match self.0 {
            0 => sample,
            usual if sample > usual => usual + (sample.min(2 * usual) - usual).div_ceil(4),
            usual => usual - (usual - sample) / 4,
        };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn small_whole_weights_meet_again_exactly() {
        for weight in 1..=16_u32 {
            let stride = Stride::of(f64::from(weight));
            assert_eq!(stride.times(u64::from(weight)), Stride::of(1.0).times(1), "weight {weight}");
        }
    }

    #[test]
    fn a_stride_is_off_by_less_than_a_millionth() {
        for weight in [1e-6, 0.1, 1.0 / 3.0, 1.0, 3.7, 999_983.0, 1e6] {
            let off = (Stride::of(weight).0 as f64 * weight / UNIT as f64 - 1.0).abs();
            assert!(off < 1e-6, "weight {weight} is off by {off}");
        }
    }

    #[test]
    fn the_longest_job_at_the_smallest_weight_fits_many_times() {
        let most = Stride::of(1e-6).times(Cost::of(f64::MAX).amount());
        assert!(most.checked_mul(64).is_some(), "{most}");
    }

    #[test]
    fn extreme_costs_are_charged_something() {
        assert_eq!((Cost::of(f64::MIN_POSITIVE).amount(), Cost::of(f64::MAX).amount()), (1, AMOUNT_MAX));
        assert_eq!((used(Duration::ZERO), used(Duration::from_nanos(1))), (0, LEAST));
        assert_eq!(used(Duration::MAX), AMOUNT_MAX);
    }

    #[test]
    fn a_gib_for_a_second_is_a_second_of_a_gib() {
        let second = Duration::from_secs(1);
        assert_eq!((held(second, 1 << 30), held(second, 3 << 29)), (1_000_000_000, 1_500_000_000));
        assert_eq!((held(Duration::ZERO, 1 << 30), held(Duration::from_nanos(1), 0)), (0, 1));
        assert_eq!((held(Duration::MAX, u64::MAX), held(second, u64::MAX)), (AMOUNT_MAX, AMOUNT_MAX));
    }

    #[test]
    fn the_usual_time_is_per_cost() {
        let mut usual = Usual::default();
        usual.learn(Cost::of(3.0).per_cost(3_000_000));
        assert_eq!(usual.estimate(Cost::of(2.0)), 2_000_000);
    }

    #[test]
    fn a_rare_long_attempt_changes_what_is_usual_by_a_quarter_and_it_is_soon_forgotten() {
        let (mut usual, second, one) = (Usual::default(), 1_000_000_000, Cost::of(1.0));
        (0..100).for_each(|_| usual.learn(second));
        usual.learn(3600 * second);
        assert_eq!(usual.estimate(one), second + second / 4);
        (0..20).for_each(|_| usual.learn(second));
        assert!(usual.estimate(one) < second + second / 100);
    }

    #[test]
    fn what_is_usual_follows_a_change_up_and_down() {
        let (mut usual, one) = (Usual::default(), Cost::of(1.0));
        for level in [1, 1_000_000_000, 1, 7] {
            (0..200).for_each(|_| usual.learn(level));
            let estimate = usual.estimate(one);
            assert!(estimate.abs_diff(level) <= level / 100 + 3, "{estimate} at {level}");
        }
    }
}
