//! Where each token is, for when many are removed.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use batchmill_core::Token;

use super::lane::{Lane, Place};

/// Which lane and place each token has.
pub(super) struct Index {
    pub(super) places: HashMap<Token, (usize, Place), BuildHasherDefault<IdHasher>>,
    pub(super) uses_since_removal: usize,
}

impl Index {
    pub(super) fn of<N: Copy + PartialEq>(lanes: &[Lane<N>], len: usize) -> Self {
        // Room for all at once: growing a table of a million tokens step by step takes several times as long.
        let mut places = HashMap::with_capacity_and_hasher(len, BuildHasherDefault::default());
        for (number, lane) in lanes.iter().enumerate() {
            places.extend(lane.places().map(|(token, place)| (token, (number, place))));
        }
        Self { places, uses_since_removal: 0 }
    }
}

/// Spreads the bits of a token or class (Fibonacci hashing). The host chooses them, so nobody can choose them to collide.
#[derive(Debug, Default)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
