//! The kit for [`Journal`]s, a journal in memory ([`MemoryJournal`]), one with bad days ([`FaultyJournal`]), and a start log
//! that can be read ([`NotedStarts`]).

mod faults;
mod memory;
mod recollection;
mod refusals;
mod results;
mod sequels;
mod starts;
mod succession;

use std::{fmt, sync::Arc};

use batchmill_core::{BatchId, JobResult, Journal, JournalAnswer, JournalError, JournalEvent, Position};

use crate::{
    Case, Report,
    case::{Checked, Unmet, ensure},
};

use self::recollection::Recollection;

pub use self::{
    faults::{Fault, FaultyJournal},
    memory::MemoryJournal,
    starts::{Noted, NotedStarts},
};

/// A journal that nothing of a batch was written to but, perhaps, that it was accepted: a batch of 4,096 jobs.
pub struct Subject {
    journal: Arc<dyn Journal>,
    batch: BatchId,
    adopt: Option<Box<dyn Fn() -> Arc<dyn Journal>>>,
}

impl Subject {
    /// The journal of the owner of `batch`.
    pub fn new(journal: Arc<dyn Journal>, batch: BatchId) -> Self {
        Self { journal, batch, adopt: None }
    }

    /// For a journal that outlives its owner: `adopt` is what the next one does, whether or not the one before still
    /// lives.
    #[must_use]
    pub fn adopted_by(mut self, adopt: impl Fn() -> Arc<dyn Journal> + 'static) -> Self {
        self.adopt = Some(Box::new(adopt));
        self
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("journal", &self.journal).field("batch", &self.batch).finish_non_exhaustive()
    }
}

/// Runs every case, each in a tokio runtime of its own.
pub fn run(make: impl Fn() -> Subject) -> Report {
    Report::of("journal", cases(), &make)
}

/// The cases, in the order of the report.
pub fn cases() -> &'static [Case<Subject>] {
    const CASES: &[Case<Subject>] = &[
        Case::new("what_nothing_was_written_to_is_empty", results::what_nothing_was_written_to_is_empty),
        Case::new("results_come_back_whole", results::results_come_back_whole),
        Case::new("any_text_survives", results::any_text_survives),
        Case::new("results_come_back_in_order_and_once", results::results_come_back_in_order_and_once),
        Case::new("results_come_back_in_pages", results::results_come_back_in_pages),
        Case::new("a_group_of_a_thousand_is_taken", results::a_group_of_a_thousand_is_taken),
        Case::new("ten_mebibytes_survive", results::ten_mebibytes_survive),
        Case::new("replay_runs_beside_appends", results::replay_runs_beside_appends),
        Case::new("ends_are_recalled_as_decisions_need_them", sequels::ends_are_recalled_as_decisions_need_them),
        Case::new("recall_comes_in_pages", sequels::recall_comes_in_pages),
        Case::new("the_latest_setback_is_recalled_whole", sequels::the_latest_setback_is_recalled_whole),
        Case::new("a_job_that_ended_is_in_no_setback", sequels::a_job_that_ended_is_in_no_setback),
        Case::new("crashes_are_recalled", sequels::crashes_are_recalled),
        Case::new("a_closing_is_recalled", sequels::a_closing_is_recalled),
        Case::new("the_last_pause_is_recalled", sequels::the_last_pause_is_recalled),
        Case::new("the_last_mark_of_each_sink_is_recalled", sequels::the_last_mark_of_each_sink_is_recalled),
        Case::new("acceptance_and_end_are_taken", sequels::acceptance_and_end_are_taken),
        Case::new("compacting_loses_nothing", sequels::compacting_loses_nothing),
        Case::new("a_second_end_of_a_job_is_refused", refusals::a_second_end_of_a_job_is_refused),
        Case::new("a_second_end_in_one_group_is_refused", refusals::a_second_end_in_one_group_is_refused),
        Case::new("a_group_is_recorded_together_or_not_at_all", refusals::a_group_is_recorded_together_or_not_at_all),
        Case::new("what_was_answered_outlives_its_owner", succession::what_was_answered_outlives_its_owner),
        Case::new("who_was_replaced_is_fenced", succession::who_was_replaced_is_fenced),
        Case::new("positions_go_on_after_a_succession", succession::positions_go_on_after_a_succession),
    ];
    CASES
}

/// The calls of a case, with errors that fail it.
struct Calls {
    journal: Arc<dyn Journal>,
    batch: BatchId,
}

fn unmet(call: &str, error: &JournalError) -> Unmet {
    Unmet::Failed(format!("{call} failed: {error}"))
}

fn ended(results: impl IntoIterator<Item = JobResult>) -> JournalEvent {
    JournalEvent::Ended(Arc::new(results.into_iter().collect()))
}

impl Calls {
    fn of(subject: &Subject) -> Self {
        Self { journal: Arc::clone(&subject.journal), batch: subject.batch.clone() }
    }

    async fn append(&self, events: Vec<JournalEvent>) -> Result<Position, Unmet> {
        match self.journal.append(&self.batch, events).await {
            Ok(JournalAnswer::Ok(position)) => Ok(position),
            Ok(other) => Err(Unmet::Failed(format!("an append is answered {other:?}"))),
            Err(error) => Err(unmet("append", &error)),
        }
    }

    async fn end(&self, results: &[JobResult]) -> Result<Position, Unmet> {
        self.append(vec![ended(results.iter().cloned())]).await
    }

    /// All results after a position, in pages of at most `page`, whose positions ascend.
    async fn replay(&self, mut after: Position, page: usize) -> Result<Vec<(Position, JobResult)>, Unmet> {
        let mut all = Vec::new();
        loop {
            let read = self.journal.replay(&self.batch, after, page).await.map_err(|error| unmet("replay", &error))?;
            ensure!(read.len() <= page, "a page of at most {page} results has {}", read.len());
            let Some((last, _)) = read.last() else { return Ok(all) };
            let last = *last;
            ensure!(
                read.iter().map(|(position, _)| position).try_fold(after, |a, b| (a < *b).then_some(*b)).is_some(),
                "positions after {after:?} do not ascend"
            );
            after = last;
            all.extend(read);
        }
    }

    /// All of what is recalled, in pages of at most `page`.
    async fn recall(&self, page: usize) -> Result<Recollection, Unmet> {
        let (mut after, mut all) = (Position(0), Recollection::default());
        loop {
            let read = self.journal.recall(&self.batch, after, page).await.map_err(|error| unmet("recall", &error))?;
            ensure!(read.len() <= page, "a page of at most {page} events has {}", read.len());
            if read.is_empty() {
                return Ok(all);
            }
            for (position, event) in read {
                ensure!(position > after, "{position:?} comes behind {after:?}");
                after = position;
                all.take(event)?;
            }
        }
    }

    async fn expect_results(&self, expected: &[JobResult]) -> Checked {
        let found: Vec<JobResult> =
            self.replay(Position(0), 1000).await?.into_iter().map(|(_, result)| result).collect();
        let differs = found.iter().zip(expected).position(|(a, b)| a != b);
        if let Some(place) = differs {
            let (found, expected) = (&found[place], &expected[place]);
            return Err(Unmet::Failed(format!("result {place} is {found:?}, expected {expected:?}")));
        }
        ensure!(found.len() == expected.len(), "{} results are recorded, expected {}", found.len(), expected.len());
        Ok(())
    }
}
