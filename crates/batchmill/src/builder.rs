//! The settings of an executor.

use std::{fmt, num::NonZeroU32, sync::Arc, time::Duration};

use batchmill_core::{Checkpointer, FailureStrategy, Governor, Problem, RetryPolicy, Scheduler};
use batchmill_failure_halt::{Halt, Options as HaltOptions};
use batchmill_retry_exponential::Options as RetryOptions;
use batchmill_scheduler_priority::{Options as PriorityOptions, PriorityScheduler};

use crate::{
    BatchExecutor, BatchStats, Limit, limit,
    policies::{Fallback, Retry},
    run::Settings,
};

/// Makes a [`BatchExecutor`]. What is not set has the default that its method names.
#[must_use]
pub struct BatchExecutorBuilder {
    concurrency_limit: u32,
    governor: Option<MakeGovernor>,
    timeout: Duration,
    queue_timeout: Option<Duration>,
    job_timeout: Option<Duration>,
    max_attempts: Option<u32>,
    retry_options: Option<RetryOptions>,
    retry: Option<Arc<dyn RetryPolicy>>,
    scheduler: Box<dyn Fn() -> Box<dyn Scheduler> + Send + Sync>,
    failure: Box<dyn Fn() -> Box<dyn FailureStrategy> + Send + Sync>,
    limits: Vec<Limit>,
    checkpointer: Option<Arc<dyn Checkpointer>>,
    on_progress: Option<OnProgress>,
    progress_every: Duration,
}

/// Makes a governor for a batch.
pub(crate) type MakeGovernor = Box<dyn Fn() -> Box<dyn Governor> + Send + Sync>;

/// Told how a batch stands.
pub(crate) type OnProgress = Arc<dyn Fn(&BatchStats) + Send + Sync>;

/// Settings that contradict themselves or make no sense: all of them at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
#[non_exhaustive]
pub struct SettingsError {
    /// What is wrong, each with the setting that it concerns.
    pub problems: Vec<Problem>,
}

impl BatchExecutorBuilder {
    pub(crate) fn new() -> Self {
        Self {
            concurrency_limit: 10,
            governor: None,
            timeout: Duration::from_secs(5 * 60),
            queue_timeout: None,
            job_timeout: None,
            max_attempts: None,
            retry_options: None,
            retry: None,
            scheduler: Box::new(|| Box::new(PriorityScheduler::new(&PriorityOptions::default()))),
            failure: Box::new(|| Box::new(Halt::new(&HaltOptions::default()).expect("`never` is a rule"))),
            limits: Vec::new(),
            checkpointer: None,
            on_progress: None,
            progress_every: Duration::from_secs(1),
        }
    }

    /// Attempts that run at once: 10. A job that waits for a retry is none of them. Must not be 0.
    pub fn concurrency_limit(mut self, limit: u32) -> Self {
        self.concurrency_limit = limit;
        self
    }

    /// Adapts the limit while a batch runs, from [`concurrency_limit`](Self::concurrency_limit) on; made anew for each batch.
    /// That limit must be within its range. Without one the limit stays.
    pub fn governor(mut self, make: impl Fn() -> Box<dyn Governor> + Send + Sync + 'static) -> Self {
        self.governor = Some(Box::new(make));
        self
    }

    /// Bounds how long a job waits for its first start: it ends `TimedOut` then, code `queue_timeout`. Without one it waits.
    /// Must not be zero.
    pub fn queue_timeout(mut self, limit: Duration) -> Self {
        self.queue_timeout = Some(limit);
        self
    }

    /// Bounds a job from its first start to its end, all attempts and waits together: it ends `TimedOut` then, code
    /// `job_timeout`. Must not be zero.
    pub fn job_timeout(mut self, limit: Duration) -> Self {
        self.job_timeout = Some(limit);
        self
    }

    /// Bounds each attempt of a job: 5 minutes. The attempt really ends; must not be zero.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Attempts of a job in all, the first one counted: 3; 1 means no retry. Must not be 0. Stands instead of
    /// [`retry_options`](Self::retry_options) and [`retry`](Self::retry).
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(attempts);
        self
    }

    /// Which failures are repeated, how often and after which waits. Settings of a node go over these.
    pub fn retry_options(mut self, options: RetryOptions) -> Self {
        self.retry_options = Some(options);
        self
    }

    /// A retry policy of your own. Nodes that have settings of their own keep them: those go over the default options.
    pub fn retry(mut self, policy: Arc<dyn RetryPolicy>) -> Self {
        self.retry = Some(policy);
        self
    }

    /// The order of starts, made anew for each batch: by priority, where waiting makes a job more urgent.
    pub fn scheduler(mut self, make: impl Fn() -> Box<dyn Scheduler> + Send + Sync + 'static) -> Self {
        self.scheduler = Box::new(make);
        self
    }

    /// When failures stop or pause a batch, made anew for each: never. A batch that pauses waits for somebody who has its
    /// [stream](crate::BatchStream::unpause); a [run](crate::BatchExecutor::run) has nobody, and cancels the rest.
    pub fn failure(mut self, make: impl Fn() -> Box<dyn FailureStrategy> + Send + Sync + 'static) -> Self {
        self.failure = Box::new(make);
        self
    }

    /// One more limit of jobs with one key: none. Each batch is bound by itself.
    pub fn limit(mut self, limit: Limit) -> Self {
        self.limits.push(limit);
        self
    }

    /// Where attempts keep what a next attempt goes on from: in memory, apart for each batch.
    pub fn checkpointer(mut self, checkpointer: Arc<dyn Checkpointer>) -> Self {
        self.checkpointer = Some(checkpointer);
        self
    }

    /// Called every [`progress_every`](Self::progress_every) while a batch runs, and once at its end. It runs on the
    /// executor's threads: keep it short.
    pub fn on_progress(mut self, callback: impl Fn(&BatchStats) + Send + Sync + 'static) -> Self {
        self.on_progress = Some(Arc::new(callback));
        self
    }

    /// How often progress is told: every second. Must not be zero.
    pub fn progress_every(mut self, period: Duration) -> Self {
        self.progress_every = period;
        self
    }

    /// The executor, or everything that is wrong with the settings. Nothing is clamped.
    pub fn build(self) -> Result<BatchExecutor, SettingsError> {
        let mut problems = Vec::new();
        let concurrency_limit = NonZeroU32::new(self.concurrency_limit);
        if concurrency_limit.is_none() {
            problems.push(Problem::new(["concurrency_limit"], "must be at least 1, found 0"));
        }
        let limits = [("timeout", Some(self.timeout)), ("queue_timeout", self.queue_timeout)];
        let others = [("job_timeout", self.job_timeout), ("progress_every", Some(self.progress_every))];
        let given = |(name, limit): (_, Option<Duration>)| limit.map(|limit| (name, limit));
        for (name, duration) in limits.into_iter().chain(others).filter_map(given) {
            if duration.is_zero() {
                problems.push(Problem::new([name], "must be longer than zero"));
            }
        }
        let limit_settings = self.limits.iter().map(|limit| limit.settings(&mut problems)).collect();
        limit::names(&self.limits, &mut problems);
        let range = self.governor.as_ref().map(|make| make().range());
        if let Some(range) = range.filter(|range| !range.contains(&self.concurrency_limit)) {
            let message = format!("{} is outside {range:?}, the range of `governor`", self.concurrency_limit);
            problems.push(Problem::new(["concurrency_limit"], message));
        }
        let retry = self.retry_of(&mut problems);
        match (retry, concurrency_limit) {
            (Some(retry), Some(concurrency_limit)) if problems.is_empty() => Ok(BatchExecutor::new(Settings {
                concurrency_limit,
                governor: self.governor,
                timeout: self.timeout,
                queue_timeout: self.queue_timeout,
                job_timeout: self.job_timeout,
                retry,
                scheduler: self.scheduler,
                failure: self.failure,
                limits: self.limits,
                limit_settings,
                checkpointer: self.checkpointer,
                progress: self.on_progress.map(|callback| (callback, self.progress_every)),
            })),
            _ => Err(SettingsError { problems }),
        }
    }

    fn retry_of(&self, problems: &mut Vec<Problem>) -> Option<Retry> {
        let fallback = match (self.max_attempts, &self.retry_options, &self.retry) {
            (None, None, None) => Fallback::Options(RetryOptions::default()),
            (Some(attempts), None, None) => Fallback::Options(RetryOptions::with_max_attempts(attempts)),
            (None, Some(options), None) => Fallback::Options(options.clone()),
            (None, None, Some(policy)) => Fallback::Policy(policy.clone()),
            _ => {
                let message = "only one of `max_attempts`, `retry_options` and `retry` can be set";
                problems.push(Problem::new(["retry"], message));
                return None;
            }
        };
        Retry::new(fallback).map_err(|found| problems.extend(found)).ok()
    }
}

impl fmt::Debug for BatchExecutorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchExecutorBuilder")
            .field("concurrency_limit", &self.concurrency_limit)
            .field("timeout", &self.timeout)
            .field("max_attempts", &self.max_attempts)
            .finish_non_exhaustive()
    }
}
