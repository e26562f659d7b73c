//! Results kept in memory, for who wants all of them at the end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use batchmill_core::{BatchId, JobId, JobResult, SinkError, Status};

use crate::Delivery;

/// Keeps the results of a batch, each as a `T`, and hands them out in submission order.
///
/// Each result is written once, to its place, and handing them out moves none of them. Jobs end nearly in order, so the
/// places grow as they are filled: their memory is touched for the first time by the delivery, beside the jobs that run,
/// and not by the caller before the first start.
#[derive(Debug)]
pub struct Collected<T = JobResult>(Arc<Mutex<Places<T>>>);

#[derive(Debug)]
struct Places<T> {
    /// By place; those that are not filled hold a stand-in.
    results: Vec<T>,
    filled: Vec<bool>,
    count: usize,
}

impl<T: From<JobResult> + Send + 'static> Collected<T> {
    /// Ready for the results of `total` jobs.
    pub fn new(total: usize) -> Self {
        Self(Arc::new(Mutex::new(Places::new(total))))
    }

    /// The side that the batch fills.
    pub fn delivery(&self) -> Box<dyn Delivery> {
        Box::new(Filling(self.0.clone()))
    }

    /// The results so far, in submission order. What comes later is kept for the next call.
    pub fn take(&self) -> Vec<T> {
        let Places { results, filled, count } = std::mem::replace(&mut *lock(&self.0), Places::new(0));
        if count == results.len() {
            return results;
        }
        results.into_iter().zip(filled).filter(|(_, filled)| *filled).map(|(result, _)| result).collect()
    }
}

impl<T: From<JobResult>> Places<T> {
    fn new(total: usize) -> Self {
        Self { results: Vec::with_capacity(total), filled: Vec::with_capacity(total), count: 0 }
    }

    fn fill(&mut self, result: JobResult) {
        let place = usize::try_from(result.sequence).expect("a place in memory");
        if place > self.results.len() {
            self.results.resize_with(place, || JobResult::new(JobId::from(0), 0, Status::Skipped).into());
            self.filled.resize(place, false);
        }
        // Most follow the one before: they are written once, over nothing.
        if place == self.results.len() {
            self.results.push(result.into());
            self.filled.push(true);
            self.count += 1;
        } else {
            self.results[place] = result.into();
            self.count += usize::from(!std::mem::replace(&mut self.filled[place], true));
        }
    }
}

fn lock<T>(places: &Mutex<Places<T>>) -> MutexGuard<'_, Places<T>> {
    // A conversion that panics leaves its place as it was.
    places.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Filling<T>(Arc<Mutex<Places<T>>>);

#[async_trait]
impl<T: From<JobResult> + Send + 'static> Delivery for Filling<T> {
    async fn deliver(&mut self, _: &BatchId, results: &mut Vec<JobResult>) -> Result<(), SinkError> {
        let places = &mut *lock(&self.0);
        for result in results.drain(..) {
            places.fill(result);
        }
        Ok(())
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn collected(sequences: &[u64]) -> Vec<u64> {
        let collected = Collected::<JobResult>::new(sequences.len());
        let mut delivery = collected.delivery();
        let batch = BatchId::new("b").unwrap();
        let result = |sequence: &u64| JobResult::new(JobId::from(*sequence), *sequence, Status::Succeeded);
        for lot in sequences.chunks(2) {
            delivery.deliver(&batch, &mut lot.iter().map(result).collect()).await.unwrap();
        }
        let results = collected.take();
        assert!(results.iter().all(|result| result.job_id.as_str() == result.sequence.to_string()));
        results.iter().map(|result| result.sequence).collect()
    }

    #[tokio::test]
    async fn results_come_out_in_submission_order() {
        assert!(collected(&[]).await.is_empty());
        assert_eq!(collected(&[0, 1, 2, 3]).await, [0, 1, 2, 3]);
        assert_eq!(collected(&[4, 2, 0, 3, 1]).await, [0, 1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn a_batch_that_broke_off_leaves_what_it_has_in_order() {
        assert_eq!(collected(&[7, 0, 3]).await, [0, 3, 7]);
    }
}
