//! Weights that change, and what shares used before and elsewhere.

use batchmill_core::{MonoTime, ShareUsage, Shares, UsageMemory};

use crate::{
    Charge, FairShare,
    charge::{AMOUNT_MAX, PER_COST},
    options::{refused, refused_path},
};

impl FairShare {
    /// What amounts count for others, and how many of ours one of these is.
    fn unit(&self) -> (&'static str, f64) {
        match self.charge {
            Charge::Time => ("seconds", 1e9),
            Charge::Memory => ("GiB-seconds", 1e9),
            Charge::Cost => ("cost", PER_COST as f64),
        }
    }
}

impl Shares for FairShare {
    fn weight(&self, share: &str) -> f64 {
        self.paths.weight(share)
    }

    fn set_weight(&mut self, share: &str, weight: f64) -> Result<(), String> {
        if let Some(message) = refused_path(share).or_else(|| refused(weight)) {
            return Err(message);
        }
        self.paths.set_weight(&mut self.shares, share, weight);
        Ok(())
    }

    fn charges_memory(&self) -> bool {
        self.charge == Charge::Memory
    }

    fn memory(&self) -> Option<UsageMemory> {
        Some(UsageMemory::new(self.unit().0, self.shares.half_life()?))
    }

    fn recall(&mut self, now: MonoTime, used: &[ShareUsage]) {
        if self.shares.half_life().is_none() {
            return;
        }
        self.shares.advance(now);
        let (_, unit) = self.unit();
        for ShareUsage { share, amount, .. } in used {
            let leaf = self.paths.leaf(&mut self.shares, share);
            // The conversion saturates, and what is no number counts nothing.
            self.shares.recall(leaf, ((amount * unit) as u64).min(AMOUNT_MAX));
        }
    }

    fn take_usage(&mut self) -> Vec<ShareUsage> {
        let (_, unit) = self.unit();
        let used = self.shares.take_untold();
        used.into_iter().map(|(share, amount)| ShareUsage::new(share, amount as f64 / unit)).collect()
    }
}
