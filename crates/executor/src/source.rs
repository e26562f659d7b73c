//! Where the jobs of a batch come from.

use std::{borrow::Cow, fmt};

use batchmill_core::{Job, JobError, JobId, JobKeys};

/// The jobs of one batch, by their place in submission order.
///
/// A million queued jobs are a million small rows, not a million parsed inputs: a source keeps what it needs to find a
/// job again (an offset in a file, an element of a list) and reads it when the job's attempt starts.
///
/// # The implementer promises
/// - `len` does not change; every index below it names a job, the same one each time;
/// - ids are unique within the source, priorities and costs are in range: a source is validated before it gets here;
/// - calls are short: they may read a line from a file, and they run on the executor's threads.
pub trait JobSource: Send + Sync + fmt::Debug {
    /// How many jobs there are.
    fn len(&self) -> u64;

    /// Whether there is no job.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The keys of one job.
    fn keys(&self, index: u64) -> JobKeys;

    /// The id of one job. An error means that the source is not what was accepted any more.
    fn id(&self, index: u64) -> Result<JobId, JobError>;

    /// One job with its input: borrowed where the source holds it in memory. An error of class `fatal` means that the
    /// source is not what was accepted any more (the file changed): it stops the batch.
    fn load(&self, index: u64) -> Result<Cow<'_, Job>, JobError>;
}

impl JobSource for Vec<Job> {
    fn len(&self) -> u64 {
        Vec::len(self) as u64
    }

    fn keys(&self, index: u64) -> JobKeys {
        self[place(index)].keys()
    }

    fn id(&self, index: u64) -> Result<JobId, JobError> {
        Ok(self[place(index)].id.clone())
    }

    fn load(&self, index: u64) -> Result<Cow<'_, Job>, JobError> {
        Ok(Cow::Borrowed(&self[place(index)]))
    }
}

fn place(index: u64) -> usize {
    usize::try_from(index).expect("an index below len() fits the address space")
}
