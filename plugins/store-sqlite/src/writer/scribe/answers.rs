//! What those are told who asked.

use batchmill_core::{CheckpointError, JournalAnswer, JournalError, Position};

use super::{
    super::{
        Shared,
        request::{Entry, Forget, Put, Queued, Request},
    },
    Scribe,
};
use crate::Durability;

pub(super) const FENCED: &str = "another host owns the batch now";

impl Scribe {
    /// Which jobs have checkpoints from now on.
    pub(super) fn remember(&mut self, group: &[Queued]) {
        self.is_synced = self.durability == Durability::Fsync;
        for queued in group {
            match &queued.request {
                Request::Put(put, _) => self.threads.insert(&put.thread),
                Request::Forget(forget, _) => self.threads.remove(&forget.thread),
                Request::Append(entries, _) => {
                    for entry in entries {
                        if let Entry::Ended(rows) = entry {
                            rows.results.iter().for_each(|result| self.threads.remove(result.job_id.as_str()));
                        }
                    }
                }
                Request::Pass(_) | Request::Amend(..) | Request::Compact(_) => {}
            }
        }
    }

    pub(super) fn answer(&mut self, group: Vec<Queued>, positions: &[Position], shared: &Shared) {
        for (queued, position) in group.into_iter().zip(positions) {
            // Whoever asked may have gone meanwhile.
            match queued.request {
                Request::Append(_, answer) => drop(answer.send(Ok(JournalAnswer::Ok(*position)))),
                Request::Put(Put { flight, .. }, answer) | Request::Forget(Forget { flight, .. }, answer) => {
                    // What was answered is on its way no more.
                    drop(flight);
                    drop(answer.send(Ok(())));
                }
                Request::Pass(answer) => drop(answer.send(Ok(()))),
                Request::Amend(_, answer) => drop(answer.send(Ok(()))),
                Request::Compact(answer) => drop(answer.send(self.compact(shared))),
            }
        }
    }
}

pub(super) fn refuse(group: Vec<Queued>, why: &JournalError) {
    group.into_iter().for_each(|queued| queued.request.refuse(why));
}

/// Answers a group that another owner keeps from being written.
pub(super) fn fence(group: Vec<Queued>) {
    let why = JournalError::new(FENCED);
    for queued in group {
        match queued.request {
            Request::Append(_, answer) => drop(answer.send(Ok(JournalAnswer::Fenced))),
            Request::Put(_, answer) | Request::Forget(_, answer) | Request::Pass(answer) => {
                drop(answer.send(Err(CheckpointError::new(why.message.clone()))));
            }
            other => other.refuse(&why),
        }
    }
}
