//! What is counted until the meters are told.

use std::time::Duration;

use batchmill_core::{ErrorClass, Outcome};

use super::bins::Bins;

/// Counts since they were last handed over. On cache lines of its own: each runner has one.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
pub(crate) struct Tally {
    pub(super) attempts: [u64; Self::OUTCOMES.len()],
    pub(super) retries: [u64; ErrorClass::ALL.len()],
    pub(super) node_panics: u64,
    pub(super) ran: Bins,
}

impl Tally {
    /// How attempts end, as the label `outcome` says it.
    pub(super) const OUTCOMES: [&'static str; 4] = ["succeeded", "failed", "stopped", "lost"];

    /// Adds what another one counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.attempts.iter_mut().zip(other.attempts).for_each(|(all, more)| *all += more);
        self.retries.iter_mut().zip(other.retries).for_each(|(all, more)| *all += more);
        self.node_panics += other.node_panics;
        self.ran.merge(&other.ran);
    }

    /// An attempt has ended that held its slot for so long.
    pub(crate) fn attempt(&mut self, outcome: &Outcome, ran: Duration) {
        let place = match outcome {
            Outcome::Succeeded => 0,
            Outcome::Failed(failure) => {
                let panicked = failure.iter().filter(|failed| failed.error.code == "panic").count();
                self.node_panics += panicked as u64;
                1
            }
            Outcome::Lost => 3,
            _ => 2,
        };
        self.attempts[place] += 1;
        self.ran.add(ran);
    }

    /// A failed attempt will be repeated.
    pub(crate) fn retry(&mut self, class: ErrorClass) {
        if let Some(place) = ErrorClass::ALL.iter().position(|known| *known == class) {
            self.retries[place] += 1;
        }
    }
}
