//! What earlier hosts of a batch left of its jobs.

use std::sync::Arc;

use batchmill_core::{GivenUp, MonoTime, Status};

use crate::FailedTry;

/// What earlier hosts of its batch left of a job.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub enum Past {
    /// Nothing that is known: it runs from the start.
    #[default]
    None,
    /// Its end, which is recorded: it is counted and never runs again.
    Ended(Status),
    /// It has started and has no end: it failed and was to be repeated, or its host died while it ran.
    Interrupted(Box<Setback>),
}

/// What is remembered of a job that has started and will run again: all that the next host must know to decide as this
/// one would have. [`batchmill_core::Setback`] on the host's own clock, with the crashes.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Setback {
    /// Attempts that ended by themselves.
    pub attempts: u32,
    /// How often its host or worker was lost while it ran.
    pub crashes: u32,
    /// How often it was ended because memory ran short.
    pub kills: u32,
    /// How often an attempt of it failed because its memory ran out.
    pub memory_level: u32,
    /// When its first attempt started, where that is known.
    pub first_started: Option<MonoTime>,
    /// How often each node failed; `None` stands for failures of the attempt as a whole.
    pub failures: Vec<(Option<Arc<str>>, u32)>,
    /// Every attempt that failed, oldest first.
    pub tries: Vec<FailedTry>,
    /// Nodes whose retries are used up and whose flow goes on without them.
    pub given_up: Vec<GivenUp>,
    /// Not before this moment.
    pub due: MonoTime,
}
