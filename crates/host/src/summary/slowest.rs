//! The jobs that took longest.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use batchmill_core::{JobId, JobResult};

/// So many are kept.
const KEPT: usize = 5;

/// The slowest jobs so far, in a heap whose top is the fastest of them: the one to leave next.
#[derive(Debug, Default)]
pub(crate) struct Slowest {
    heap: BinaryHeap<Reverse<(Duration, Reverse<u64>, JobId)>>,
}

impl Slowest {
    pub(crate) fn take(&mut self, result: &JobResult) {
        if result.started_at.is_none() {
            return;
        }
        // Compared before the id is cloned: nearly every job of a long batch ends here.
        let full = self.heap.len() == KEPT;
        if full && self.heap.peek().is_some_and(|Reverse((duration, ..))| *duration >= result.duration) {
            return;
        }
        self.heap.push(Reverse((result.duration, Reverse(result.sequence), result.job_id.clone())));
        if full {
            self.heap.pop();
        }
    }

    /// The slowest first; equal ones in submission order.
    pub(crate) fn sorted(&self) -> Vec<(&JobId, Duration)> {
        let mut jobs: Vec<_> = self.heap.iter().map(|Reverse(job)| job).collect();
        jobs.sort_by(|a, b| b.cmp(a));
        jobs.into_iter().map(|(duration, _, id)| (id, *duration)).collect()
    }
}

#[cfg(test)]
mod tests {
    use batchmill_core::{Status, WallTime};

    use super::*;

    #[test]
    fn the_five_slowest_jobs_that_ran_are_kept() {
        let mut slowest = Slowest::default();
        for (sequence, millis) in [30, 10, 50, 20, 50, 40, 60, 5].into_iter().enumerate() {
            let mut result = JobResult::new(JobId::from(millis), sequence as u64, Status::Succeeded);
            result.started_at = Some(WallTime::default());
            result.duration = Duration::from_millis(millis);
            slowest.take(&result);
        }
        slowest.take(&JobResult::new(JobId::from(99), 99, Status::Skipped));
        let seen: Vec<_> = slowest.sorted().iter().map(|(id, _)| id.to_string()).collect();
        assert_eq!(seen, ["60", "50", "50", "40", "30"]);
    }
}
