//! Randomness for the jitter of retries.

use std::hash::{BuildHasher, Hasher, RandomState};

use batchmill_core::Draw;

/// A stream of draws (SplitMix64, Steele et al. 2014), seeded by the process's own random keys.
pub(super) struct Draws(u64);

impl Draws {
    pub(super) fn new() -> Self {
        Self(RandomState::new().build_hasher().finish())
    }

    pub(super) fn next(&mut self) -> Draw {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Draw::from_bits(bits ^ (bits >> 31))
    }
}
