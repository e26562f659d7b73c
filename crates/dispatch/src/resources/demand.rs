//! What jobs ask for: what their flow declares, and what attempts of it were seen to use.

use std::collections::VecDeque;

use batchmill_core::{ClassId, MonoTime, Request, Token};

use crate::BatchKey;

/// What the jobs of a batch ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Needs {
    /// What their flow declares: for a job whose memory never ran out, ran out once, twice and so on; the last holds from
    /// there on. Empty where it declares nothing.
    pub declared: Vec<Request>,
    /// Whether its attempts start processes. Those are weighed, and may be ended when memory runs short.
    pub processes: bool,
}

impl Needs {
    /// Attempts that start processes where `processes` says so, and ask for what is `declared`.
    pub fn new(declared: Vec<Request>, processes: bool) -> Self {
        Self { declared, processes }
    }

    pub(crate) fn is_nothing(&self) -> bool {
        !self.processes && self.declared.iter().all(|request| *request == Request::default())
    }

    fn at(&self, level: u32) -> Request {
        let place = (level as usize).min(self.declared.len().saturating_sub(1));
        self.declared.get(place).copied().unwrap_or_default()
    }
}

/// Stands for jobs that ask for the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct DemandId(pub(crate) u32);

impl DemandId {
    /// Asks for nothing.
    pub(crate) const NONE: Self = Self(0);
}

/// Jobs of one batch whose memory ran out equally often.
#[derive(Debug, Default)]
pub(crate) struct Demand {
    pub(crate) batch: Option<BatchKey>,
    pub(crate) declared: Request,
    pub(crate) peaks: Peaks,
    pub(crate) running: u32,
    /// Jobs that were picked and did not fit, in that order. While there are any, the others are held.
    pub(crate) aside: VecDeque<Token>,
    /// The first of them, and since when it waits for room.
    pub(crate) waiting: Option<Waiting>,
    /// Classes of these jobs that are held.
    pub(crate) classes: Vec<ClassId>,
    /// The same for jobs whose memory ran out once more.
    pub(crate) more: Option<DemandId>,
    pub(crate) level: u32,
    pub(crate) processes: bool,
}

/// A job that did not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) job: Token,
    pub(crate) since: MonoTime,
}

impl Demand {
    pub(crate) fn new(batch: BatchKey, needs: &Needs, level: u32) -> Self {
        Self { batch: Some(batch), declared: needs.at(level), level, processes: needs.processes, ..Self::default() }
    }

    /// What an attempt is taken to need: what is declared, or what was seen if that is more.
    pub(crate) fn request(&self) -> Request {
        Request { memory: self.declared.memory.max(self.peaks.highest().unwrap_or_default()), ..self.declared }
    }

    /// Whether nobody knows how much memory its attempts need.
    pub(crate) fn is_unknown(&self) -> bool {
        self.processes && self.declared.memory == 0 && self.peaks.highest().is_none()
    }
}

/// The highest of the last peaks that were seen: of 32 to 64 attempts, so that one outlier is not remembered for good.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Peaks {
    before: Option<u64>,
    now: Option<u64>,
    seen: u32,
}

impl Peaks {
    const WINDOW: u32 = 32;

    pub(crate) fn add(&mut self, peak: u64) {
        if self.seen == Self::WINDOW {
            (self.before, self.now, self.seen) = (self.now, None, 0);
        }
        self.seen += 1;
        self.now = self.now.max(Some(peak));
    }

    pub(crate) fn highest(&self) -> Option<u64> {
        self.before.max(self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outlier_is_forgotten_and_what_is_usual_is_not() {
        let mut peaks = Peaks::default();
        assert_eq!(peaks.highest(), None);
        peaks.add(1000);
        for _ in 0..63 {
            assert_eq!(peaks.highest(), Some(1000));
            peaks.add(300);
        }
        peaks.add(300);
        assert_eq!(peaks.highest(), Some(300));
    }

    #[test]
    fn what_was_seen_counts_where_it_is_more_than_what_is_declared() {
        let request = |memory| Request { memory, cpu_milli: 500 };
        let needs = Needs::new(vec![request(300), request(600)], true);
        let levels: Vec<u64> = (0..4).map(|level| needs.at(level).memory).collect();
        assert_eq!(levels, [300, 600, 600, 600]);
        let mut demand = Demand::new(BatchKey(0), &needs, 0);
        demand.peaks.add(200);
        assert_eq!(demand.request(), request(300));
        demand.peaks.add(450);
        assert_eq!(demand.request(), request(450));
        assert!(!demand.is_unknown());
    }

    #[test]
    fn only_processes_of_which_nothing_is_declared_are_unknown_until_one_has_ended() {
        let unknown = |needs: Needs| Demand::new(BatchKey(0), &needs, 0).is_unknown();
        assert!(unknown(Needs::new(Vec::new(), true)));
        assert!(!unknown(Needs::new(Vec::new(), false)));
        assert!(!unknown(Needs::new(vec![Request { memory: 1, cpu_milli: 0 }], true)));
        let mut demand = Demand::new(BatchKey(0), &Needs::new(Vec::new(), true), 0);
        demand.peaks.add(0);
        assert!(!demand.is_unknown());
    }
}
