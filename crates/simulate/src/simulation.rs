//! What is played, and how.

use batchmill_core::{MonoTime, Scheduler};
use batchmill_dispatch::{BatchSetup, Dispatch, LimitSettings, NewJob, Settings};

use crate::{Model, Played, body::Body, books::Books, entitled::entitled};

/// A batch as a host would open it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Simulation {
    /// Which job is next.
    pub scheduler: Box<dyn Scheduler>,
    /// The limits of the host.
    pub settings: Settings,
    /// Its limits of jobs with one key, which jobs have in this order.
    pub limits: Vec<LimitSettings>,
    /// The policies of the batch. Its deadline is a moment from `begin` on.
    pub batch: BatchSetup,
    /// When it is accepted; jobs' own moments are on the same clock.
    pub begin: MonoTime,
}

impl Simulation {
    /// A batch that is accepted at the beginning of time.
    pub fn new(scheduler: Box<dyn Scheduler>, settings: Settings, batch: BatchSetup) -> Self {
        Self { scheduler, settings, limits: Vec::new(), batch, begin: MonoTime::ZERO }
    }
}

/// Jobs that are handed to dispatch at a time.
const ACCEPT_AT_ONCE: usize = 512;

/// Plays a batch of these jobs to its end.
///
/// # Panics
/// When a plugin does, as [`Dispatch::step`].
pub fn play(simulation: Simulation, jobs: Vec<NewJob>, model: &Model) -> Played {
    let Simulation { mut scheduler, settings, limits, mut batch, begin } = simulation;
    let jobs: Vec<NewJob> = jobs.into_iter().flat_map(NewJob::each).collect();
    let books = Books::new(begin, &jobs);
    let entitled = entitled(&books.names(), scheduler.shares());
    batch.expected_jobs = jobs.len();
    let mut body = Body::new(Dispatch::new(settings, scheduler).with_limits(limits), batch, begin, books, model);
    let mut jobs = jobs.into_iter();
    loop {
        let lot: Vec<NewJob> = jobs.by_ref().take(ACCEPT_AT_ONCE).collect();
        if lot.is_empty() {
            break;
        }
        body.accept(lot);
    }
    body.run();
    body.played(&entitled)
}
