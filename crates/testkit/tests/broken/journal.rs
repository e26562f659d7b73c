//! A journal that is right below, with one flaw on top.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use batchmill_core::{
    BatchId, JobResult, Journal, JournalAnswer, JournalError, JournalEvent, Position, Recalled, WallTime,
};
use batchmill_testkit::journal::{Fault, FaultyJournal, MemoryJournal, Subject, cases, run};

use crate::caught;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    RemembersABatchThatNeverWas,
    RoundsTimes,
    ForgetsErrorOutput,
    StripsLineBreaks,
    AnswersNoPosition,
    SortsByPlace,
    PagesTooLong,
    PagesOverlap,
    RefusesLargeGroups,
    CutsLongOutput,
    ShowsHalfOfAGroup,
    TakesEveryEndForAnAttempt,
    RecallsOnlyEnds,
    KeepsTheFirstSetback,
    ForgetsGivenUp,
    KeepsSetbacksOfTheEnded,
    CountsCrashesOnce,
    ForgetsTheReason,
    NeverGoesOn,
    OneMarkForAllSinks,
    RefusesTheEnd,
    CompactsAwayTheClosing,
    ReplacesAnEnd,
    ReplacesAnEndOfTheGroup,
    RecordsWhatComesFirst,
    SaysItIsFull,
    ForgetsWithItsOwner,
    FencesNobody,
    CountsPositionsAnew,
}

#[derive(Debug)]
struct Doctored {
    inner: MemoryJournal,
    flaw: Flaw,
    ended: Mutex<HashSet<u64>>,
    set_back: Mutex<HashSet<u64>>,
    crashed: Mutex<HashSet<u64>>,
    compacted: AtomicUsize,
}

impl Doctored {
    fn new(inner: MemoryJournal, flaw: Flaw) -> Arc<Self> {
        let (ended, set_back, crashed) = Default::default();
        Arc::new(Self { inner, flaw, ended, set_back, crashed, compacted: AtomicUsize::new(0) })
    }

    fn distort(&self, result: &mut JobResult) {
        match self.flaw {
            Flaw::RoundsTimes => result.queued = std::time::Duration::from_millis(result.queued.as_millis() as u64),
            Flaw::ForgetsErrorOutput => {
                if let Some(error) = &mut result.error {
                    error.output = None;
                }
            }
            Flaw::StripsLineBreaks => {
                let text = serde_json::to_string(&result.output).unwrap().replace("\\n", " ");
                result.output = serde_json::from_str(&text).unwrap();
            }
            Flaw::CutsLongOutput if result.output.as_ref().is_some_and(|o| o.to_string().len() > 1 << 20) => {
                result.output = None;
            }
            _ => {}
        }
    }

    /// The event as it gets below; `None` for one that is swallowed.
    fn twist(&self, event: JournalEvent) -> Option<JournalEvent> {
        Some(match (self.flaw, event) {
            (Flaw::ReplacesAnEnd | Flaw::ReplacesAnEndOfTheGroup, JournalEvent::Ended(results)) => {
                let mut ended = self.ended.lock().unwrap();
                // What replaces is as good as not refused.
                let new = results.iter().filter(|result| ended.insert(result.sequence)).cloned().collect();
                JournalEvent::Ended(Arc::new(new))
            }
            (Flaw::SortsByPlace, JournalEvent::Ended(results)) => {
                let mut results = results.to_vec();
                results.sort_by_key(|result| result.sequence);
                JournalEvent::Ended(Arc::new(results))
            }
            (Flaw::KeepsTheFirstSetback, JournalEvent::Retrying(setback)) => {
                if !self.set_back.lock().unwrap().insert(setback.place) {
                    return None;
                }
                JournalEvent::Retrying(setback)
            }
            (Flaw::ForgetsGivenUp, JournalEvent::Retrying(mut setback)) => {
                setback.given_up.clear();
                JournalEvent::Retrying(setback)
            }
            (Flaw::CountsCrashesOnce, JournalEvent::Lost { place, crashes, at }) => {
                if !self.crashed.lock().unwrap().insert(place) {
                    return None;
                }
                JournalEvent::Lost { place, crashes, at }
            }
            (Flaw::ForgetsTheReason, JournalEvent::Closing(batchmill_core::Closing::Halted(_))) => {
                JournalEvent::Closing(batchmill_core::Closing::Cancelled)
            }
            (Flaw::NeverGoesOn, JournalEvent::Paused(None)) => return None,
            (Flaw::OneMarkForAllSinks, JournalEvent::Delivered(mut delivered)) => {
                delivered.sink = "output".to_owned();
                JournalEvent::Delivered(delivered)
            }
            (_, event) => event,
        })
    }
}

#[async_trait]
impl Journal for Doctored {
    async fn append(&self, batch: &BatchId, events: Vec<JournalEvent>) -> Result<JournalAnswer, JournalError> {
        let size: usize = events.iter().map(|e| if let JournalEvent::Ended(r) = e { r.len() } else { 1 }).sum();
        match self.flaw {
            Flaw::RefusesLargeGroups if size > 1000 => return Err(JournalError::new("too many")),
            Flaw::RefusesTheEnd if matches!(events[0], JournalEvent::Closed { .. }) => {
                return Err(JournalError::new("unknown event"));
            }
            Flaw::RecordsWhatComesFirst if events.len() > 1 => {
                for event in events {
                    self.inner.append(batch, vec![event]).await?;
                }
                return Ok(JournalAnswer::Ok(Position(1)));
            }
            Flaw::ShowsHalfOfAGroup if size > 1 => {
                let JournalEvent::Ended(results) = &events[0] else { panic!("the case appends ends") };
                self.inner.append(batch, vec![JournalEvent::Ended(Arc::new(results[1..].to_vec()))]).await?;
                tokio::task::yield_now().await;
                std::thread::yield_now();
                return self.inner.append(batch, vec![JournalEvent::Ended(Arc::new(vec![results[0].clone()]))]).await;
            }
            _ => {}
        }
        let events = events.into_iter().filter_map(|event| self.twist(event)).collect();
        match self.inner.append(batch, events).await {
            Err(error) if self.flaw == Flaw::SaysItIsFull => Err(JournalError::full(error.message)),
            Ok(JournalAnswer::Ok(_)) if self.flaw == Flaw::AnswersNoPosition => Ok(JournalAnswer::Ok(Position(1))),
            other => other,
        }
    }

    async fn replay(
        &self,
        batch: &BatchId,
        after: Position,
        max: usize,
    ) -> Result<Vec<(Position, JobResult)>, JournalError> {
        let (after, max) = match self.flaw {
            Flaw::PagesTooLong => (after, max + 1),
            Flaw::PagesOverlap if max > 1 => (Position(after.0.saturating_sub(1)), max),
            _ => (after, max),
        };
        let mut read = self.inner.replay(batch, after, max).await?;
        read.iter_mut().for_each(|(_, result)| self.distort(result));
        if self.flaw == Flaw::RemembersABatchThatNeverWas && read.is_empty() && after == Position(0) {
            let ghost = JobResult::new(batchmill_core::JobId::from(1), 0, batchmill_core::Status::Succeeded);
            read.push((Position(1), ghost));
        }
        Ok(read)
    }

    async fn recall(
        &self,
        batch: &BatchId,
        after: Position,
        max: usize,
    ) -> Result<Vec<(Position, Recalled)>, JournalError> {
        let mut read = self.inner.recall(batch, after, max).await?;
        match self.flaw {
            Flaw::RecallsOnlyEnds => read.retain(|(_, event)| matches!(event, Recalled::Ended { .. })),
            Flaw::TakesEveryEndForAnAttempt => {
                for (_, event) in &mut read {
                    if let Recalled::Ended { by_attempt, .. } = event {
                        *by_attempt = true;
                    }
                }
            }
            Flaw::KeepsSetbacksOfTheEnded => {
                for (_, event) in &mut read {
                    if let Recalled::Ended { place, .. } = event {
                        let setback = batchmill_core::Setback::new(*place, WallTime::default(), WallTime::default());
                        *event = Recalled::Retrying(Box::new(setback));
                    }
                }
            }
            Flaw::CompactsAwayTheClosing if self.compacted.load(Ordering::SeqCst) > 0 => {
                read.retain(|(_, event)| !matches!(event, Recalled::Closing(_)));
            }
            _ => {}
        }
        Ok(read)
    }

    async fn compact(&self, batch: &BatchId) -> Result<(), JournalError> {
        self.compacted.fetch_add(1, Ordering::SeqCst);
        self.inner.compact(batch).await
    }
}

fn batch() -> BatchId {
    BatchId::new("b").unwrap()
}

fn doctored(flaw: Flaw) -> Subject {
    let inner = MemoryJournal::new();
    let first = inner.clone();
    Subject::new(Doctored::new(first, flaw), batch()).adopted_by(move || {
        let next = match flaw {
            Flaw::ForgetsWithItsOwner => MemoryJournal::new(),
            Flaw::FencesNobody => inner.clone(),
            Flaw::CountsPositionsAnew => {
                let anew = MemoryJournal::new();
                let kept = inner.results(&batch());
                if let Some(last) = kept.last() {
                    // It keeps what was there, in fewer positions than were answered.
                    let event = JournalEvent::Ended(Arc::new(vec![last.clone()]));
                    wait_for(anew.append(&batch(), vec![event]));
                }
                anew
            }
            _ => inner.adopt(),
        };
        Doctored::new(next, flaw)
    })
}

fn wait_for<F: Future>(future: F) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async { drop(future.await) });
}

#[test]
fn a_right_journal_passes_every_case() {
    let report = run(|| doctored(Flaw::None));
    report.assert_passed();
    assert_eq!(report.not_applicable(), [""; 0]);
}

#[test]
fn a_journal_with_only_good_days_passes_every_case() {
    run(|| Subject::new(FaultyJournal::new(Arc::new(MemoryJournal::new())), batch())).assert_passed();
}

#[test]
fn a_journal_that_dies_with_its_owner_need_not_be_adopted() {
    let report = run(|| Subject::new(Arc::new(MemoryJournal::new()), batch()));
    report.assert_passed();
    assert_eq!(report.not_applicable().len(), 3);
}

#[test]
fn each_flaw_is_caught_by_the_case_about_it() {
    for (flaw, case) in [
        (Flaw::RemembersABatchThatNeverWas, "what_nothing_was_written_to_is_empty"),
        (Flaw::RoundsTimes, "results_come_back_whole"),
        (Flaw::ForgetsErrorOutput, "results_come_back_whole"),
        (Flaw::StripsLineBreaks, "any_text_survives"),
        (Flaw::AnswersNoPosition, "results_come_back_in_order_and_once"),
        (Flaw::SortsByPlace, "results_come_back_in_order_and_once"),
        (Flaw::PagesTooLong, "results_come_back_in_pages"),
        (Flaw::PagesOverlap, "results_come_back_in_pages"),
        (Flaw::RefusesLargeGroups, "a_group_of_a_thousand_is_taken"),
        (Flaw::CutsLongOutput, "ten_mebibytes_survive"),
        (Flaw::ShowsHalfOfAGroup, "replay_runs_beside_appends"),
        (Flaw::TakesEveryEndForAnAttempt, "ends_are_recalled_as_decisions_need_them"),
        (Flaw::RecallsOnlyEnds, "recall_comes_in_pages"),
        (Flaw::KeepsTheFirstSetback, "the_latest_setback_is_recalled_whole"),
        (Flaw::ForgetsGivenUp, "the_latest_setback_is_recalled_whole"),
        (Flaw::KeepsSetbacksOfTheEnded, "a_job_that_ended_is_in_no_setback"),
        (Flaw::CountsCrashesOnce, "crashes_are_recalled"),
        (Flaw::ForgetsTheReason, "a_closing_is_recalled"),
        (Flaw::NeverGoesOn, "the_last_pause_is_recalled"),
        (Flaw::OneMarkForAllSinks, "the_last_mark_of_each_sink_is_recalled"),
        (Flaw::RefusesTheEnd, "acceptance_and_end_are_taken"),
        (Flaw::CompactsAwayTheClosing, "compacting_loses_nothing"),
        (Flaw::ReplacesAnEnd, "a_second_end_of_a_job_is_refused"),
        (Flaw::ReplacesAnEndOfTheGroup, "a_second_end_in_one_group_is_refused"),
        (Flaw::RecordsWhatComesFirst, "a_group_is_recorded_together_or_not_at_all"),
        (Flaw::SaysItIsFull, "a_second_end_of_a_job_is_refused"),
        (Flaw::ForgetsWithItsOwner, "what_was_answered_outlives_its_owner"),
        (Flaw::FencesNobody, "who_was_replaced_is_fenced"),
        (Flaw::CountsPositionsAnew, "positions_go_on_after_a_succession"),
    ] {
        caught(flaw, case, cases(), || doctored(flaw));
    }
}

mod faults {
    use batchmill_core::JobId;

    use super::*;

    fn end(place: u64) -> Vec<JournalEvent> {
        let result = JobResult::new(JobId::from(place), place, batchmill_core::Status::Succeeded);
        vec![JournalEvent::Ended(Arc::new(vec![result]))]
    }

    #[tokio::test]
    async fn each_bad_day_is_as_it_was_ordered() {
        let inner = MemoryJournal::new();
        let faulty = FaultyJournal::new(Arc::new(inner.clone()));
        let days =
            [Some(Fault::Full), None, Some(Fault::UnknownLost), Some(Fault::UnknownRecorded), Some(Fault::Fenced)];
        faulty.script(days);
        assert!(faulty.append(&batch(), end(0)).await.unwrap_err().full);
        assert_eq!(faulty.append(&batch(), end(0)).await.unwrap(), JournalAnswer::Ok(Position(1)));
        assert_eq!(faulty.append(&batch(), end(1)).await.unwrap(), JournalAnswer::Unknown);
        assert_eq!(inner.results(&batch()).len(), 1);
        faulty.replay(&batch(), Position(1), 1).await.unwrap();
        assert_eq!(faulty.append(&batch(), end(1)).await.unwrap(), JournalAnswer::Unknown);
        assert_eq!(inner.results(&batch()).len(), 2);
        assert_eq!(faulty.violations(), [""; 0]);
        assert_eq!(faulty.append(&batch(), end(2)).await.unwrap(), JournalAnswer::Fenced);
        assert_eq!(faulty.violations(), ["an append after an unknown answer, without a replay"]);
        assert_eq!(faulty.append(&batch(), end(2)).await.unwrap(), JournalAnswer::Fenced, "for good");
        assert_eq!(faulty.violations().last().unwrap(), "an append after Fenced");
        assert_eq!((inner.results(&batch()).len(), faulty.groups().len()), (2, 6));
    }

    #[tokio::test]
    async fn an_append_that_is_held_goes_on_when_it_is_let_through() {
        let inner = MemoryJournal::new();
        let faulty = FaultyJournal::new(Arc::new(inner.clone()));
        faulty.hold();
        let (one, other) = (faulty.clone(), faulty.clone());
        let first = tokio::spawn(async move { one.append(&batch(), end(0)).await.unwrap() });
        faulty.begun(1).await;
        assert!(inner.results(&batch()).is_empty());
        faulty.let_through(1);
        first.await.unwrap();
        let second = tokio::spawn(async move { other.append(&batch(), end(1)).await.unwrap() });
        faulty.begun(2).await;
        assert_eq!(inner.results(&batch()).len(), 1, "one permit, one append");
        faulty.open();
        second.await.unwrap();
        assert_eq!(faulty.violations(), [""; 0]);
    }

    #[tokio::test]
    async fn two_appends_at_once_are_told() {
        let faulty = FaultyJournal::new(Arc::new(MemoryJournal::new()));
        faulty.hold();
        let other = faulty.clone();
        let first = tokio::spawn(async move { other.append(&batch(), end(0)).await });
        faulty.begun(1).await;
        faulty.open();
        // The first has not been polled since, so both are under way.
        faulty.append(&batch(), end(1)).await.unwrap();
        first.await.unwrap().unwrap();
        assert_eq!(faulty.violations(), ["two appends at once"]);
    }
}
