//! The shares of the host's scheduler: their weights, and what they used before.

use batchmill_core::{ShareUsage, UsageMemory};
use batchmill_dispatch::WeightRefused;

use super::Mill;
use crate::Workload;

impl<W: Workload> Mill<W> {
    /// Gives a share another weight, from the next start on, and says which it had.
    pub fn set_weight(&self, share: &str, weight: f64) -> Result<f64, WeightRefused> {
        let answer = self.0.lock().consult(&self.0, |dispatch, _| dispatch.set_weight(share, weight));
        // A host that decides nothing any more has no shares either.
        answer.unwrap_or(Err(WeightRefused::NoShares))
    }

    /// How the scheduler remembers what shares used, if it does.
    pub fn usage_memory(&self) -> Option<UsageMemory> {
        self.0.lock().consult(&self.0, |dispatch, _| dispatch.usage_memory()).flatten()
    }

    /// Tells the scheduler what shares used before or elsewhere, as much as it still counts.
    pub fn recall_usage(&self, used: &[ShareUsage]) {
        self.0.lock().consult(&self.0, |dispatch, now| dispatch.recall_usage(now, used));
    }

    /// What shares used since this was last asked, to be kept for others.
    pub fn take_usage(&self) -> Vec<ShareUsage> {
        self.0.lock().consult(&self.0, |dispatch, _| dispatch.take_usage()).unwrap_or_default()
    }
}
