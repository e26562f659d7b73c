//! What a person and the store have to do with the shares of the scheduler: weights, and what was used before.

use std::fmt;

use batchmill_core::{MonoTime, ShareUsage, UsageMemory};

use crate::Dispatch;

/// Why a weight is not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WeightRefused {
    /// There is nothing that it could change.
    NoShares,
    /// The scheduler does not take it, and says why.
    Bad(String),
}

impl fmt::Display for WeightRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoShares => f.write_str("the scheduler divides nothing by weight"),
            Self::Bad(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for WeightRefused {}

impl Dispatch {
    /// Gives a share another weight, from the next pick on, and says which it had.
    ///
    /// # Panics
    /// As [`step`](Self::step), and so do the others here.
    pub fn set_weight(&mut self, share: &str, weight: f64) -> Result<f64, WeightRefused> {
        let answer = self.scheduler.of_shares(|shares| {
            let before = shares.weight(share);
            shares.set_weight(share, weight).map(|()| before)
        });
        answer.ok_or(WeightRefused::NoShares)?.map_err(WeightRefused::Bad)
    }

    /// Whether the scheduler charges shares by memory.
    pub fn charges_memory(&mut self) -> bool {
        self.scheduler.of_shares(|shares| shares.charges_memory()).unwrap_or_default()
    }

    /// How the scheduler remembers what shares used, if it does.
    pub fn usage_memory(&mut self) -> Option<UsageMemory> {
        self.scheduler.of_shares(|shares| shares.memory()).flatten()
    }

    /// Tells the scheduler what shares used before or elsewhere, as much as it still counts.
    pub fn recall_usage(&mut self, now: MonoTime, used: &[ShareUsage]) {
        self.scheduler.of_shares(|shares| shares.recall(now, used));
    }

    /// What shares used since this was last asked, to be kept for others.
    pub fn take_usage(&mut self) -> Vec<ShareUsage> {
        self.scheduler.of_shares(|shares| shares.take_usage()).unwrap_or_default()
    }
}
