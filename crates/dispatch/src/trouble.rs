//! What is remembered of jobs that failed at least once. Jobs without trouble have no entry.

use std::{sync::Arc, time::Duration};

use batchmill_core::{ErrorClass, GivenUp, MonoTime};

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

#[derive(Debug)]
pub(crate) struct Trouble {
    /// When the first attempt started.
    pub(crate) first_started: MonoTime,
    pub(crate) tries: Vec<FailedTry>,
    /// How often each node failed; `None` stands for failures of the attempt as a whole.
    failures: Vec<(Option<Arc<str>>, u32)>,
    /// Nodes that were given up beside one that is retried: the next attempt goes on without them.
    pub(crate) given_up: Vec<GivenUp>,
}

impl Trouble {
    pub(crate) fn new(first_started: MonoTime) -> Self {
        Self { first_started, tries: Vec::new(), failures: Vec::new(), given_up: Vec::new() }
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
