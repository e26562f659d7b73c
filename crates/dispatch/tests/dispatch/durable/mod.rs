//! Batches that outlive their hosts: one host after the other runs the same batches on one journal, and dies, is stopped,
//! loses its disk or another takes over. What a single host does is held against the [`Model`](crate::model::Model) after
//! every step, as in every life; what must hold over all hosts, against the [`Ledger`](ledger::Ledger).

mod journal;
mod ledger;
mod lineage;
mod proof;
mod recorder;

use batchmill_core::{BatchCounts, Closing, MonoTime, Verdict};
use batchmill_dispatch::NewJob;

use self::{
    journal::{Journal, Written},
    ledger::Ledger,
};
use crate::{model::Check, world::Plan};

pub(crate) use self::{
    lineage::Lineage,
    recorder::{Fate, Recorder},
};

/// What the surroundings of dispatch do wrong, to prove that it would be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// Says that a record is there before it is.
    AnswerFirst,
    /// After a lost answer, writes again without looking.
    AppendBlindly,
    /// Writes a stop after the end that was its cause.
    CloseLate,
    /// A full disk loses what was to be written.
    DropWhenFull,
    /// Lets a host write that has been replaced.
    NoFence,
    /// A planned stop counts as a crash of what it stopped.
    StopIsCrash,
    /// Recorded jobs are handed to the next host as new ones.
    RunAgain,
    ForgetSetbacks,
    ForgetDelay,
    ForgetCrashes,
    ForgetEnds,
    ForgetClosing,
    ForgetPause,
}

/// A batch, beyond its hosts.
#[derive(Debug)]
pub(crate) struct Durable {
    plan: Plan,
    jobs: Vec<NewJob>,
    accepted: MonoTime,
    ledger: Ledger,
    finished: bool,
}

/// What outlives hosts.
#[derive(Debug)]
pub(crate) struct Store {
    journal: Journal,
    batches: Vec<Durable>,
    /// The host that owns the batches.
    owner: u32,
    /// Whether slots hand their records over in the order of the decisions.
    is_ordered: bool,
}

impl Store {
    /// Writes a group of a host; false if another one owns the batches.
    fn write(&mut self, host: u32, batch: usize, group: &[Written]) -> Result<bool, String> {
        if !self.journal.append(host, batch, group) {
            return Ok(false);
        }
        if host != self.owner {
            return Err(format!("host {host} writes, and {} owns the batch: {group:?}", self.owner));
        }
        for written in group {
            self.batches[batch].ledger.written(written)?;
        }
        Ok(true)
    }

    /// A batch ended; `decided` is a stop that is not written yet.
    fn batch_ended(
        &mut self,
        batch: usize,
        verdict: &Verdict,
        counts: &BatchCounts,
        decided: Option<&Closing>,
    ) -> Check {
        let durable = &mut self.batches[batch];
        let goes_on = matches!(verdict, Verdict::Drained | Verdict::StorageFailed(_) | Verdict::Fenced);
        // The others of a trial, or those that had not been accepted, are left to the next host.
        if goes_on || counts.ended() < durable.jobs.len() as u64 {
            return Ok(());
        }
        durable.finished = true;
        durable.ledger.ended(verdict, counts, decided)
    }
}
