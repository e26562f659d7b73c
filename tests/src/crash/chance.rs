//! When a host is killed.

use std::time::Duration;

use super::arguments::Arguments;

/// Places in the program, before and after every step that is to survive. See `batchmill_core::fault`.
pub(crate) const FAILPOINTS: &[(&str, u64)] = &[
    // The name, and how often a host of some dozen jobs comes by.
    ("resume.locked", 1),
    ("resume.crashes-counted", 1),
    ("start.before-log", 60),
    ("start.after-log", 60),
    ("record.before-append", 30),
    ("record.after-append", 30),
    ("store.before-commit", 30),
    ("store.after-commit", 30),
    ("feed.before-write", 20),
    ("feed.after-write", 20),
];

/// Places that a host comes by once its batch is done.
pub(crate) const LAST_FAILPOINTS: &[&str] = &["end.before-closed", "end.after-closed"];

/// How a host is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kill {
    /// By itself, when it comes to this place for the given time; from outside, if it does not within the time given.
    At(&'static str, u64, Option<Duration>),
    /// From outside, after so long.
    After(Duration),
}

/// A stream of random numbers (SplitMix64, Steele et al. 2014).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (bits ^ (bits >> 31)) % bound.max(1)
    }

    /// Half of the kills at a place, half of them at a moment; those `left` last of a batch where it is done.
    pub(crate) fn kill(&mut self, arguments: &Arguments, left: u64) -> Kill {
        if let Some(name) = usize::try_from(left).ok().and_then(|left| LAST_FAILPOINTS.iter().rev().nth(left)) {
            return Kill::At(name, 1, None);
        }
        // Long enough for a share of the batch, short enough that it is not done before its time.
        let longest = 120 + arguments.jobs / 100;
        let delay = Duration::from_millis(10 + self.below(longest));
        if self.below(2) == 0 {
            let (name, often) = FAILPOINTS[usize::try_from(self.below(FAILPOINTS.len() as u64)).unwrap_or_default()];
            Kill::At(name, 1 + self.below(often), Some(delay + Duration::from_millis(longest)))
        } else {
            Kill::After(delay)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_kills_in_the_same_way() {
        let arguments = Arguments { binary: "x".into(), kills: 1, terms: None, jobs: 2000, seed: 1, keep: false };
        let kills = |seed| {
            let mut chance = Chance::new(seed);
            (0..50).map(|left| chance.kill(&arguments, 49 - left)).collect::<Vec<_>>()
        };
        assert_eq!(kills(7), kills(7));
        assert_ne!(kills(7), kills(8));
        let at = kills(7).iter().filter(|kill| matches!(kill, Kill::At(..))).count();
        assert!((10..40).contains(&at), "{at} of 50 at a place");
        assert_eq!(kills(7)[48..], [Kill::At("end.before-closed", 1, None), Kill::At("end.after-closed", 1, None)]);
    }
}
