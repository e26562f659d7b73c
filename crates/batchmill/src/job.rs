//! The jobs of a batch, and what can be wrong with them.

use std::{
    borrow::Cow,
    collections::{HashMap, hash_map::Entry},
    fmt,
    sync::Arc,
};

use batchmill_core::{IdError, Job, JobError, JobId, JobKeys, LimitKeys, Priority, Problem, StateData, Tenant};
use batchmill_executor::{Beginning, JobSource};
use batchmill_flow::{CompiledGraph, InputProblems};

use crate::{Limit, limit::Keys};

/// Problems that an error spells out; the others are counted.
const SHOWN: usize = 10;

/// One job: an input for a graph. One batch may mix graphs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BatchJob {
    /// Names it within its batch.
    pub id: JobId,
    /// What it runs.
    pub graph: Arc<CompiledGraph>,
    /// What the graph starts from.
    pub input: StateData,
    /// Larger is sooner.
    pub priority: Priority,
}

impl BatchJob {
    /// A job of priority 0.
    pub fn new(id: impl Into<JobId>, graph: Arc<CompiledGraph>, input: StateData) -> Self {
        Self { id: id.into(), graph, input, priority: Priority::default() }
    }

    /// The same with another priority.
    #[must_use]
    pub fn with_priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }
}

/// Why a batch gave no results, or not all.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// The batch was not accepted: nothing ran. All problems at once, in submission order.
    #[error("the batch was refused: {}", Listed(.0))]
    Refused(Vec<BatchProblem>),
    /// The batch came to an end without some of its results.
    #[error("the batch was broken off, {missing} results are missing: {reason}")]
    BrokenOff {
        /// How many.
        missing: usize,
        /// A clause: why, for example what a policy said when it panicked.
        reason: String,
    },
}

/// Why a batch was refused. Places count from 0.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchProblem {
    /// Two jobs have the same name.
    #[error("the jobs at {first} and {second} have the same id `{id}`")]
    DuplicateId {
        /// The name.
        id: JobId,
        /// The place of the first job that has it.
        first: usize,
        /// The place of the other one.
        second: usize,
    },
    /// A graph does not take the input of a job.
    #[error("the graph `{graph}` refuses the input of job `{id}` at {place}: {problems}")]
    Input {
        /// The job.
        id: JobId,
        /// Its place.
        place: usize,
        /// The name of its graph.
        graph: String,
        /// What is wrong.
        problems: InputProblems,
    },
    /// The key of a job under a limit is none.
    #[error("the key of the job `{id}` at {place} under the limit `{limit}`: {error}")]
    Key {
        /// The job.
        id: JobId,
        /// Its place.
        place: usize,
        /// The limit.
        limit: String,
        /// What is wrong.
        error: IdError,
    },
    /// The retry settings of nodes of a graph are wrong.
    #[error("the retry settings of the graph `{graph}` are wrong: {problem}")]
    Retry {
        /// The name of the graph.
        graph: String,
        /// What is wrong.
        problem: Problem,
    },
    /// There are more jobs, or more different retry settings, than a batch can number.
    #[error("a batch has at most {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The most there may be.
        limit: u64,
    },
}

/// Problems in one sentence.
struct Listed<'a>(&'a [BatchProblem]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.0.iter().take(SHOWN).enumerate() {
            let between = if number > 0 { "; " } else { "" };
            write!(f, "{between}{problem}")?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

/// A batch that was looked through: its jobs, and its graphs, each once.
pub(crate) struct Accepted {
    pub(crate) jobs: BatchJobs,
    pub(crate) graphs: Vec<Arc<CompiledGraph>>,
    /// The graph of each job.
    pub(crate) of_job: Vec<u32>,
}

/// Looks through a batch: ids, inputs, and the keys of limits.
pub(crate) fn accept(batch: Vec<BatchJob>, limits: &[Limit], problems: &mut Vec<BatchProblem>) -> Accepted {
    let total = batch.len();
    if u32::try_from(total).is_err() {
        problems.push(BatchProblem::TooMany { what: "jobs", limit: u32::MAX.into() });
    }
    let (mut graphs, mut of_job, mut kinds) = (Vec::new(), Vec::with_capacity(total), Vec::new());
    let mut keys = Keys::new(limits);
    let duplicates = duplicates(&batch);
    let mut known: HashMap<*const CompiledGraph, u32> = HashMap::new();
    // Most jobs have the graph of the one before: no need to look it up.
    let mut last = None;
    for (place, job) in batch.iter().enumerate() {
        if !limits.is_empty() {
            match keys.of(job) {
                Ok(kind) => kinds.push(kind),
                Err((limit, error)) => problems.push(BatchProblem::Key { id: job.id.clone(), place, limit, error }),
            }
        }
        let BatchJob { id, graph, input, .. } = job;
        if let Some(first) = duplicates.get(&place) {
            problems.push(BatchProblem::DuplicateId { id: id.clone(), first: *first, second: place });
        }
        if let Err(refused) = graph.check_input(input) {
            let (id, graph) = (id.clone(), graph.name().to_owned());
            problems.push(BatchProblem::Input { id, place, graph, problems: refused });
        }
        let pointer = Arc::as_ptr(graph);
        let number = match last {
            Some((of_last, number)) if of_last == pointer => number,
            _ => *known.entry(pointer).or_insert_with(|| {
                graphs.push(graph.clone());
                // There are no more graphs than jobs, whose number is checked above.
                u32::try_from(graphs.len() - 1).unwrap_or(u32::MAX)
            }),
        };
        last = Some((pointer, number));
        of_job.push(number);
    }
    Accepted { jobs: BatchJobs { jobs: batch, limits: keys.finish(), kinds }, graphs, of_job }
}

/// Jobs as the caller made them: nothing is moved, and nothing made of them before they run.
#[derive(Debug)]
pub(crate) struct BatchJobs {
    jobs: Vec<BatchJob>,
    /// What limits make of jobs, each once.
    limits: Vec<LimitKeys>,
    /// The place of each job's among these; empty where there are no limits.
    kinds: Vec<u32>,
}

impl BatchJobs {
    /// What limits make of a job, where there are any.
    fn limited(&self, index: u64) -> Option<u32> {
        usize::try_from(index).ok().and_then(|place| self.kinds.get(place)).copied()
    }

    fn at(&self, index: u64) -> &BatchJob {
        &self.jobs[usize::try_from(index).expect("an index below len() fits the address space")]
    }
}

impl JobSource for BatchJobs {
    fn len(&self) -> u64 {
        self.jobs.len() as u64
    }

    fn keys(&self, index: u64) -> JobKeys {
        let mut keys = JobKeys::default();
        keys.priority = self.at(index).priority;
        if let Some(kind) = self.limited(index) {
            keys.limits = self.limits[kind as usize].clone();
        }
        keys
    }

    fn alike(&self, index: u64, most: u64) -> u64 {
        let index = usize::try_from(index).expect("an index below len() fits the address space");
        if !self.kinds.is_empty() {
            return 1;
        }
        let jobs = self.jobs[index..].iter().take(usize::try_from(most).unwrap_or(usize::MAX));
        jobs.take_while(|job| job.priority == self.jobs[index].priority).count() as u64
    }

    fn kind(&self, index: u64) -> Option<u64> {
        // Without limits, jobs come in runs.
        let of_limits = u64::from(self.limited(index)?);
        Some(of_limits << u8::BITS | u64::from(self.at(index).priority.0))
    }

    fn id(&self, index: u64) -> Result<JobId, JobError> {
        Ok(self.at(index).id.clone())
    }

    fn load(&self, index: u64) -> Result<Cow<'_, Job>, JobError> {
        let BatchJob { id, input, priority, .. } = self.at(index);
        let mut job = Job::new(id.clone(), input.clone());
        job.priority = *priority;
        Ok(Cow::Owned(job))
    }

    fn begin(&self, index: u64) -> Result<Beginning<'_>, JobError> {
        let BatchJob { id, input, priority, .. } = self.at(index);
        let (tenant, key) = (Tenant::default(), None);
        Ok(Beginning { id: id.clone(), tenant, priority: *priority, key, input: Cow::Borrowed(input) })
    }
}

/// The place of each job whose id another one before it has, and the place of the first that has it.
fn duplicates(batch: &[BatchJob]) -> HashMap<usize, usize> {
    /// Any total order will do; this one is that of numbers without leading zeros.
    fn rank(job: &BatchJob) -> (usize, &str) {
        (job.id.as_str().len(), job.id.as_str())
    }
    // Most ids are counted up, and what ascends has no duplicates: no need to remember a million of them.
    if batch.is_sorted_by(|job, next| rank(job) < rank(next)) {
        return HashMap::new();
    }
    let mut firsts: HashMap<&JobId, usize> = HashMap::with_capacity(batch.len());
    let mut duplicates = HashMap::new();
    for (place, job) in batch.iter().enumerate() {
        match firsts.entry(&job.id) {
            Entry::Occupied(first) => drop(duplicates.insert(place, *first.get())),
            Entry::Vacant(free) => drop(free.insert(place)),
        }
    }
    duplicates
}

#[cfg(test)]
mod tests {
    use batchmill_core::{Key, LimitId, LimitKey};
    use batchmill_flow::{StateGraph, node_fn};

    use super::*;

    fn found(ids: &[&str]) -> Vec<(usize, usize)> {
        let graph = Arc::new(StateGraph::new("g").node("n", node_fn(|_| ())).compile().unwrap());
        let job = |id: &&str| BatchJob::new(JobId::new(id).unwrap(), graph.clone(), StateData::new());
        let mut found: Vec<_> = duplicates(&ids.iter().map(job).collect::<Vec<_>>()).into_iter().collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn runs_of_jobs_have_the_same_keys() {
        let graph = Arc::new(StateGraph::new("g").node("n", node_fn(|_| ())).compile().unwrap());
        let job = |priority: &u8| {
            let mut job = BatchJob::new(JobId::from(1), graph.clone(), StateData::new());
            job.priority = Priority(*priority);
            job
        };
        let mut jobs =
            BatchJobs { jobs: [5, 5, 5, 1, 5].iter().map(job).collect(), limits: Vec::new(), kinds: Vec::new() };
        assert_eq!([0, 1, 2, 3, 4].map(|place| jobs.alike(place, 9)), [3, 2, 1, 1, 1]);
        assert_eq!(jobs.alike(0, 2), 2);
        assert_eq!(jobs.kind(0), None);
        let key = |text| LimitKey { limit: LimitId(0), key: Some(Key::new(text).unwrap()), units: 1 };
        (jobs.limits, jobs.kinds) = (vec![LimitKeys::NONE, [key("a")].into_iter().collect()], vec![0, 1, 0, 1, 1]);
        assert_eq!(jobs.alike(0, 9), 1, "each may have keys of its own");
        for (one, other) in (0..5).flat_map(|one| (0..5).map(move |other| (one, other))) {
            assert_eq!(jobs.kind(one) == jobs.kind(other), jobs.keys(one) == jobs.keys(other), "{one} and {other}");
        }
    }

    #[test]
    fn duplicates_are_found_whether_ids_ascend_or_not() {
        for unique in [&[][..], &["a"], &["1", "2", "10", "11"], &["10", "9", "8"], &["b", "a"]] {
            assert_eq!(found(unique), [], "{unique:?}");
        }
        assert_eq!(found(&["1", "2", "2"]), [(2, 1)]);
        assert_eq!(found(&["b", "a", "b", "c", "b", "a"]), [(2, 0), (4, 0), (5, 1)]);
    }
}
