//! Where the jobs of a batch come from.

use std::{borrow::Cow, fmt, sync::Arc};

use batchmill_core::{Job, JobError, JobId, JobKeys, Priority, StateData, Tenant};

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

    /// How many jobs from this one on have the same keys, of the `most` that are looked at: this one at least. A source that
    /// tells of runs has its jobs taken in several times as fast; one that does not know says 1.
    fn alike(&self, _index: u64, _most: u64) -> u64 {
        1
    }

    /// A number for the keys of a job: those with the same number have the same. A source that keeps once what many jobs have in
    /// common has them taken in twice as fast, in whatever order they come; one that does not know says `None`.
    fn kind(&self, _index: u64) -> Option<u64> {
        None
    }

    /// The id of one job. An error means that the source is not what was accepted any more.
    fn id(&self, index: u64) -> Result<JobId, JobError>;

    /// One job with its input: borrowed where the source holds it in memory. An error of class `fatal` means that the
    /// source is not what was accepted any more (the file changed): it stops the batch.
    fn load(&self, index: u64) -> Result<Cow<'_, Job>, JobError>;

    /// The same, as far as an attempt of it needs it. A source that holds jobs in a form of its own need not make a [`Job`]
    /// of each: that is twice the memory of a million jobs.
    fn begin(&self, index: u64) -> Result<Beginning<'_>, JobError> {
        self.load(index).map(Beginning::from)
    }
}

/// What an attempt needs to know of its job.
#[derive(Debug, Clone)]
pub struct Beginning<'a> {
    /// Names it within its batch.
    pub id: JobId,
    /// Who it belongs to.
    pub tenant: Tenant,
    /// Larger is sooner.
    pub priority: Priority,
    /// Its own idempotency key, if it brings one.
    pub key: Option<Arc<str>>,
    /// What its flow starts from.
    pub input: Cow<'a, StateData>,
}

impl<'a> From<Cow<'a, Job>> for Beginning<'a> {
    fn from(job: Cow<'a, Job>) -> Self {
        let key = job.key.as_deref().map(Into::into);
        match job {
            Cow::Borrowed(Job { id, tenant, priority, input, .. }) => {
                Self { id: id.clone(), tenant: tenant.clone(), priority: *priority, key, input: Cow::Borrowed(input) }
            }
            Cow::Owned(Job { id, tenant, priority, input, .. }) => {
                Self { id, tenant, priority, key, input: Cow::Owned(input) }
            }
        }
    }
}

impl JobSource for Vec<Job> {
    fn len(&self) -> u64 {
        Vec::len(self) as u64
    }

    fn keys(&self, index: u64) -> JobKeys {
        self[place(index)].keys()
    }

    fn alike(&self, index: u64, most: u64) -> u64 {
        let jobs = &self[place(index)..];
        jobs.iter().take(place(most)).take_while(|job| has_keys_of(job, &jobs[0])).count() as u64
    }

    fn id(&self, index: u64) -> Result<JobId, JobError> {
        Ok(self[place(index)].id.clone())
    }

    fn load(&self, index: u64) -> Result<Cow<'_, Job>, JobError> {
        Ok(Cow::Borrowed(&self[place(index)]))
    }
}

fn has_keys_of(job: &Job, other: &Job) -> bool {
    (job.priority, job.timeout, job.after, job.deadline) == (other.priority, other.timeout, other.after, other.deadline)
        && job.cost.to_bits() == other.cost.to_bits()
        && job.tenant == other.tenant
}

fn place(index: u64) -> usize {
    usize::try_from(index).expect("an index below len() fits the address space")
}
