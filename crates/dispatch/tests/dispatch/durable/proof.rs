//! The proof that these lives can fail: whatever is done wrong around dispatch is seen, and everything happens in them that
//! the checks are about.

use super::{Bug, Lineage};

const FIRST: u64 = 1_000_000;
const LIVES: u64 = 200;
const STEPS: u32 = 400;

/// A bug is seen in at least so many lives, in one of them in these words.
fn must_be_seen(bug: Bug, lives: usize, words: &str) {
    let life = |seed| Lineage::new(seed, Some(bug), false).live(STEPS).err();
    let seen: Vec<String> = (FIRST..FIRST + LIVES).filter_map(life).collect();
    assert!(seen.len() >= lives, "{bug:?} is seen in {} lives only, not in {lives}", seen.len());
    assert!(seen.iter().any(|said| said.contains(words)), "`{words}` is in none of {seen:#?}");
}

#[test]
fn an_answer_before_the_record_is_seen() {
    must_be_seen(Bug::AnswerFirst, 50, "is lost");
}

#[test]
fn writing_again_without_looking_is_seen() {
    must_be_seen(Bug::AppendBlindly, 50, "a second record");
}

#[test]
fn a_stop_that_is_written_after_its_cause_is_seen() {
    must_be_seen(Bug::CloseLate, 5, "a stop is forgotten");
}

#[test]
fn a_full_disk_that_loses_something_is_seen() {
    must_be_seen(Bug::DropWhenFull, 30, "stuck");
}

#[test]
fn a_host_that_writes_though_it_was_replaced_is_seen() {
    must_be_seen(Bug::NoFence, 10, "owns the batch");
}

#[test]
fn a_planned_stop_that_counts_as_a_crash_is_seen() {
    must_be_seen(Bug::StopIsCrash, 10, "hosts died under it");
}

#[test]
fn a_recorded_job_that_runs_again_is_seen() {
    must_be_seen(Bug::RunAgain, 50, "a start after the record");
}

#[test]
fn forgotten_attempts_are_seen() {
    must_be_seen(Bug::ForgetSetbacks, 10, "recorded attempts are forgotten");
}

#[test]
fn a_forgotten_delay_is_seen() {
    must_be_seen(Bug::ForgetDelay, 4, "a start before its recorded moment");
}

#[test]
fn forgotten_crashes_are_seen() {
    must_be_seen(Bug::ForgetCrashes, 10, "at the crash limit");
}

#[test]
fn a_strategy_that_forgets_what_it_heard_is_seen() {
    must_be_seen(Bug::ForgetEnds, 5, "a stop is forgotten");
}

#[test]
fn a_forgotten_stop_is_seen() {
    must_be_seen(Bug::ForgetClosing, 10, "although a stop is recorded");
}

#[test]
fn a_forgotten_pause_is_seen() {
    must_be_seen(Bug::ForgetPause, 10, "although a pause is recorded");
}

/// The lives are worth living.
#[test]
fn lives_on_a_journal_reach_what_the_checks_are_about() {
    let traces: Vec<String> = (FIRST..FIRST + LIVES)
        .map(|seed| {
            let mut lineage = Lineage::new(seed, None, true);
            lineage.live(STEPS).unwrap();
            lineage.trace.unwrap_or_default().join("\n")
        })
        .collect();
    let words = [
        "the host dies",
        "another host takes over",
        "the host leaves",
        "verdict: Fenced",
        "verdict: Drained",
        "verdict: StorageFailed",
        "verdict: Halted",
        "verdict: Cancelled",
        "verdict: DeadlinePassed",
        "verdict: Succeeded",
        "StorageFull { batch: BatchKey(0), why: Some",
        "StorageFull { batch: BatchKey(0), why: None",
        "past: Ended(Succeeded)",
        "past: Interrupted",
        "crashes: 2",
        "status: Quarantined",
        "attempt: 3",
        "ends: [FinalResult",
    ];
    for words in words {
        let lives = traces.iter().filter(|trace| trace.contains(words)).count();
        assert!(lives >= 3, "`{words}` happens in {lives} of {LIVES} lives");
    }
}
