//! How use loses its worth as time goes by.
//!
//! What is used at a moment counts half when the half-life has passed since. All that was used loses its worth at the same
//! rate, so who used more stays who used more: nothing has to be recomputed as time goes by. Instead what is used later
//! is worth more (forward decay: Cormode, Shkapenyuk, Srivastava, Xu 2009), between one and two times as much within a
//! half-life, and at the end of each of them all that is kept is halved.

use std::time::Duration;

use batchmill_core::MonoTime;

/// What is used at a moment is worth `1 + more / 2^32`, after so many halvings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Worth {
    /// Modulo 2^32: only differences count.
    halvings: u32,
    more: u32,
}

const ONE: u64 = 1 << 32;

/// 2^(1/2), 2^(1/4) and so on, in parts of 2^32. Roots of whole numbers are the same on every machine.
const ROOTS: [u64; 16] = {
    let (mut roots, mut place) = ([0; 16], 0);
    let mut last = 2_u128 << 32;
    while place < roots.len() {
        last = (last << 32).isqrt();
        roots[place] = last as u64;
        place += 1;
    }
    roots
};

impl Worth {
    fn factor(self) -> u128 {
        u128::from(ONE + u64::from(self.more))
    }

    /// An amount that is used now, as it is kept.
    pub(crate) fn of(self, amount: u64) -> u64 {
        // Amounts are below 2^62, so this is below 2^63.
        ((u128::from(amount) * self.factor()) >> 32) as u64
    }

    /// An amount that was used when `self` was, as it is kept at a later moment.
    pub(crate) fn kept_until(self, later: Self, amount: u64) -> u64 {
        self.of(amount).checked_shr(later.halvings.wrapping_sub(self.halvings)).unwrap_or(0)
    }

    /// What is kept at one moment, in amounts of a later one.
    pub(crate) fn amount_at(self, later: Self, kept: u128) -> u128 {
        let kept = kept.checked_shr(later.halvings.wrapping_sub(self.halvings)).unwrap_or(0);
        // A sum of amounts each below 2^63 is far below 2^96.
        (kept.min(u128::MAX >> 32) << 32) / later.factor()
    }
}

/// How time goes by.
#[derive(Debug, Clone)]
pub(crate) struct Decay {
    half_life: u64,
    at: MonoTime,
    halvings: u64,
    now: Worth,
}

impl Decay {
    /// None for a half-life of zero.
    pub(crate) fn of(half_life: Duration) -> Option<Self> {
        let half_life = u64::try_from(half_life.as_nanos()).unwrap_or(u64::MAX);
        (half_life > 0).then_some(Self { half_life, at: MonoTime::ZERO, halvings: 0, now: Worth::default() })
    }

    pub(crate) fn half_life(&self) -> Duration {
        Duration::from_nanos(self.half_life)
    }

    /// The worth of what is used now.
    pub(crate) fn now(&self) -> Worth {
        self.now
    }

    /// Goes on to `now`; how often what is kept is to be halved.
    pub(crate) fn advance(&mut self, now: MonoTime) -> u64 {
        if now <= self.at {
            return 0;
        }
        let before = self.halvings;
        (self.at, self.halvings, self.now) = (now, now.as_nanos() / self.half_life, self.worth_at(now));
        self.halvings - before
    }

    /// The worth of what will be used at a moment.
    pub(crate) fn worth_at(&self, moment: MonoTime) -> Worth {
        let (halvings, rest) = (moment.as_nanos() / self.half_life, moment.as_nanos() % self.half_life);
        // Sixteen binary digits of the exponent: off by less than a hundred-thousandth.
        let digits = ((u128::from(rest) << ROOTS.len()) / u128::from(self.half_life)) as u32;
        let bits = (0..ROOTS.len()).filter(|place| digits >> (ROOTS.len() - 1 - place) & 1 == 1);
        let factor = bits.fold(ONE, |factor, place| ((u128::from(factor) * u128::from(ROOTS[place])) >> 32) as u64);
        Worth { halvings: halvings as u32, more: (factor - ONE) as u32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn decay() -> Decay {
        Decay::of(HOUR).unwrap()
    }

    #[test]
    fn what_is_used_later_is_worth_as_much_more_as_the_earlier_has_lost() {
        for thousandths in 0..1000 {
            let part = f64::from(thousandths) / 1000.0;
            let worth = decay().worth_at(MonoTime::ZERO + HOUR.mul_f64(part));
            let factor = worth.of(1 << 40) as f64 / (1_u64 << 40) as f64;
            let off = factor / part.exp2() - 1.0;
            assert!(off.abs() < 2e-5, "at {part} it is off by {off}");
        }
    }

    #[test]
    fn an_amount_counts_half_after_each_half_life() {
        let (mut decay, amount) = (decay(), 1 << 40);
        for minutes in [0, 1, 59, 60, 61, 500] {
            decay.advance(MonoTime::ZERO + Duration::from_secs(60 * minutes));
            let then = decay.now();
            for half_lives in 0..50 {
                let later = decay.worth_at(decay.at + HOUR * half_lives);
                let left = then.amount_at(later, then.of(amount).into());
                let expected = u128::from(amount >> half_lives);
                assert!(left.abs_diff(expected) <= 1, "{left} of {expected} after {half_lives} from minute {minutes}");
                assert_eq!(then.kept_until(later, amount), then.of(amount) >> half_lives);
            }
        }
        assert_eq!(decay.now().kept_until(decay.worth_at(MonoTime::NEVER), amount), 0);
    }

    #[test]
    fn halvings_are_told_once_and_time_never_goes_back() {
        let mut decay = decay();
        let at = |minutes: u64| MonoTime::ZERO + Duration::from_secs(60 * minutes);
        let told = [59, 60, 60, 10, 300, 301].map(|minutes| decay.advance(at(minutes)));
        assert_eq!(told, [0, 1, 0, 0, 4, 0]);
        assert!(Decay::of(Duration::ZERO).is_none());
    }
}
