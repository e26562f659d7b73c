//! What happened since the limit was last judged.

use batchmill_core::LoadSample;

/// The limit was changed while so many attempts ran.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    pub(crate) is_less: bool,
    pub(crate) in_flight: u32,
}

/// Sums over the samples of a window.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// Ends to come of attempts that began under another limit: they say nothing about this one.
    earlier: u64,
    /// A sample counts when it has no more of them than its ends divided by this.
    purity: u64,
    finished: u64,
    strained: u64,
    throttled: u64,
    /// Of the samples that have one, each by its attempts.
    ratios: f64,
    weights: f64,
}

impl Observed {
    /// A new window. How long it takes under less must not be mixed with how long it took under more: that decides whether
    /// less is of use. After a growth that may be, and half a sample is enough.
    pub(crate) fn begin_anew(&mut self, after: Option<Change>) {
        *self = Self::default();
        if let Some(Change { is_less, in_flight }) = after {
            (self.earlier, self.purity) = (in_flight.into(), if is_less { 10 } else { 2 });
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a weight")]
    pub(crate) fn add(&mut self, sample: &LoadSample) {
        if self.earlier > 0 && self.earlier > sample.finished / self.purity {
            self.earlier = self.earlier.saturating_sub(sample.finished);
            return;
        }
        self.earlier = 0;
        self.finished = self.finished.saturating_add(sample.finished);
        self.strained = self.strained.saturating_add(sample.strained.saturating_sub(sample.throttled));
        self.throttled = self.throttled.saturating_add(sample.throttled);
        if let Some(ratio) = sample.latency_ratio.filter(|ratio| ratio.is_finite() && *ratio > 0.0) {
            let weight = sample.finished.max(1) as f64;
            self.ratios += ratio * weight;
            self.weights += weight;
        }
    }

    pub(crate) fn finished(&self) -> u64 {
        self.finished
    }

    /// Observed over expected time.
    pub(crate) fn ratio(&self) -> Option<f64> {
        (self.weights > 0.0).then(|| self.ratios / self.weights)
    }

    /// By how much the ratio may be off by chance: times of jobs scatter, and the mean of few is no exact number.
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    pub(crate) fn noise(&self) -> f64 {
        (self.finished.max(1) as f64).sqrt().recip()
    }

    /// The share of attempts that failed by strain, those apart that were asked to come back later.
    pub(crate) fn strained(&self) -> f64 {
        self.share(self.strained)
    }

    /// The share of attempts that were asked to come back later.
    pub(crate) fn throttled(&self) -> f64 {
        self.share(self.throttled)
    }

    #[expect(clippy::cast_precision_loss, reason = "a share")]
    fn share(&self, part: u64) -> f64 {
        part as f64 / self.finished.max(1) as f64
    }
}
