//! The results of a batch and of its retries as one: of each job the latest.

use std::collections::HashMap;

use batchmill_core::{BatchId, JobId, JobResult, Position};
use batchmill_store_sqlite::{BatchReader, Listed};

use super::Found;
use crate::{problems::Refusal, refusal};

/// Results that are read at a time.
const PAGE: usize = 256;

/// A result with the batch that it is of.
#[derive(Debug)]
pub(super) struct Told<'a> {
    pub(super) batch: &'a BatchId,
    /// The place of its job in the first batch.
    pub(super) place: u64,
    pub(super) result: JobResult,
}

/// Results in the order in which they were stored.
#[derive(Debug)]
pub(super) struct Latest {
    id: BatchId,
    reader: BatchReader,
    after: Position,
    only_failures: bool,
    retries: Vec<(BatchId, BatchReader)>,
    /// Where the latest result of a job is that was run again.
    again: HashMap<JobId, (usize, u64)>,
}

impl Latest {
    /// Of one batch alone.
    pub(super) fn of(found: &Found) -> Result<Self, Refusal> {
        let (reader, id) = (found.reader()?, found.id().clone());
        let (after, retries, again) = (Position::default(), Vec::new(), HashMap::new());
        Ok(Self { id, reader, after, only_failures: false, retries, again })
    }

    /// Of a batch and its retries, given from the first to the last.
    pub(super) fn over(found: &Found, retries: &[Found]) -> Result<Self, Refusal> {
        let mut latest = Self::of(found)?;
        for (number, retry) in retries.iter().enumerate() {
            let mut own = Self::of(retry)?;
            while let Some(page) = own.page()? {
                latest.again.extend(page.into_iter().map(|told| (told.result.job_id, (number, told.result.sequence))));
            }
            latest.retries.push((own.id, own.reader));
        }
        Ok(latest)
    }

    /// The same for who looks for jobs that did not succeed: the others need not be read, unless a job that had succeeded
    /// may have failed when it was run again.
    pub(super) fn failures(found: &Found) -> Result<Self, Refusal> {
        let retries = retries(found)?;
        Ok(Self { only_failures: retries.is_empty(), ..Self::over(found, &retries)? })
    }

    /// The next results; `None` at the end.
    pub(super) fn page(&mut self) -> Result<Option<Vec<Told<'_>>>, Refusal> {
        let read = if self.only_failures { BatchReader::failures } else { BatchReader::results };
        let page = read(&self.reader, self.after, PAGE).map_err(|error| refusal::of_store(&error))?;
        let Some((last, _)) = page.last() else { return Ok(None) };
        self.after = *last;
        let this = &*self;
        page.into_iter().map(|(_, result)| this.latest(result)).collect::<Result<_, _>>().map(Some)
    }

    fn latest(&self, result: JobResult) -> Result<Told<'_>, Refusal> {
        let place = result.sequence;
        let first = Told { batch: &self.id, place, result };
        let Some((number, at)) = self.again.get(&first.result.job_id) else { return Ok(first) };
        let (batch, reader) = &self.retries[*number];
        let result = reader.result_at(*at).map_err(|error| refusal::of_store(&error))?;
        Ok(result.map_or(first, |(_, result)| Told { batch, place, result }))
    }
}

/// The retries of a batch, from the first to the last.
pub(super) fn retries(found: &Found) -> Result<Vec<Found>, Refusal> {
    let mut retries: Vec<Listed> = found.dir.list().map_err(|error| refusal::of_store(&error))?;
    retries.retain(|listed| listed.parent.as_ref() == Some(found.id()));
    retries.sort_by_key(|listed| listed.generation);
    Ok(retries.into_iter().map(|listed| Found { dir: found.dir.clone(), listed }).collect())
}
