//! What is remembered of jobs that failed at least once. Jobs without trouble have no entry.

use std::{sync::Arc, time::Duration};

use batchmill_core::{ErrorClass, GivenUp, MonoTime};

use crate::Setback;

/// One attempt that failed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FailedTry {
    /// Its number, from 1.
    pub attempt: u32,
    /// Why.
    pub class: ErrorClass,
    /// The message of its error.
    pub message: String,
    /// When it ended.
    pub at: MonoTime,
    /// How long it ran.
    pub ran: Duration,
}

impl FailedTry {
    /// Attempt number `attempt`, which ended at `at`.
    pub fn new(attempt: u32, class: ErrorClass, message: impl Into<String>, at: MonoTime, ran: Duration) -> Self {
        Self { attempt, class, message: message.into(), at, ran }
    }
}

#[derive(Debug)]
pub(crate) struct Trouble {
    /// When the first attempt started, where that is known: a host that died says of a job only that it ran.
    pub(crate) first_started: Option<MonoTime>,
    pub(crate) tries: Vec<FailedTry>,
    /// How often each node failed; `None` stands for failures of the attempt as a whole.
    failures: Vec<(Option<Arc<str>>, u32)>,
    /// Nodes that were given up beside one that is retried: the next attempt goes on without them.
    pub(crate) given_up: Vec<GivenUp>,
    /// How often it was ended because memory ran short.
    pub(crate) kills: u32,
    /// How often an attempt of it failed because its memory ran out.
    pub(crate) memory_level: u32,
    /// Whether a timer watches how long it takes as a whole.
    pub(crate) is_timed: bool,
}

impl Trouble {
    pub(crate) fn new(first_started: MonoTime) -> Self {
        Self {
            first_started: Some(first_started),
            tries: Vec::new(),
            failures: Vec::new(),
            given_up: Vec::new(),
            kills: 0,
            memory_level: 0,
            is_timed: false,
        }
    }

    /// What an earlier host knew.
    pub(crate) fn recalled(setback: Setback) -> Self {
        let Setback { first_started, tries, failures, given_up, kills, memory_level, .. } = setback;
        Self { first_started, tries, failures, given_up, kills, memory_level, is_timed: false }
    }

    /// What a later host must know of a job that is due again at `due`.
    pub(crate) fn setback(&self, attempts: u32, crashes: u32, due: MonoTime) -> Setback {
        Setback {
            attempts,
            crashes,
            first_started: self.first_started,
            failures: self.failures.clone(),
            tries: self.tries.clone(),
            given_up: self.given_up.clone(),
            kills: self.kills,
            memory_level: self.memory_level,
            due,
        }
    }

    /// When the first attempt started: the one that started at `started`, if none is known.
    pub(crate) fn begun(&mut self, started: MonoTime) -> MonoTime {
        *self.first_started.get_or_insert(started)
    }

    /// Counts one more failure of `node` and says how many there are now.
    pub(crate) fn count(&mut self, node: Option<&Arc<str>>) -> u32 {
        match self.failures.iter_mut().find(|(known, _)| known.as_ref() == node) {
            Some((_, count)) => {
                *count = count.saturating_add(1);
                *count
            }
            None => {
                self.failures.push((node.cloned(), 1));
                1
            }
        }
    }
}
