//! The kit for [`FailureStrategy`]s.

use std::time::Duration;

use batchmill_core::{Directive, ErrorClass, FailureStrategy, FinalResult, JobError, MonoTime, Status, StopReason};

use crate::{
    Case, FakeClock, Make, Report, Seed,
    case::{Checked, Unmet, ensure},
};

/// What the kit makes many of.
pub type Subject = Box<dyn FailureStrategy>;

/// Runs every case.
pub fn run(make: impl Fn() -> Subject) -> Report {
    Report::of("failure", cases(), &make)
}

/// The cases, in the order of the report.
pub fn cases() -> &'static [Case<Subject>] {
    const CASES: &[Case<Subject>] = &[
        Case::new("a_replay_gives_the_same_answers", a_replay_gives_the_same_answers),
        Case::new("instances_are_independent", instances_are_independent),
        Case::new("a_stop_has_a_rule_and_a_message", a_stop_has_a_rule_and_a_message),
        Case::new("any_size_of_batch_is_taken", any_size_of_batch_is_taken),
        Case::new("a_hundred_thousand_ends_are_taken", a_hundred_thousand_ends_are_taken),
        Case::new("results_after_a_stop_are_taken", results_after_a_stop_are_taken),
        Case::new("moves_between_threads", moves_between_threads),
    ];
    CASES
}

fn random_results(count: usize, seed: u64) -> Vec<FinalResult> {
    let (mut seed, mut clock) = (Seed::new(seed), FakeClock::new());
    (0..count)
        .map(|_| {
            let at = clock.advance(Duration::from_millis(seed.below(1000)));
            match *seed.pick(&Status::ALL) {
                status @ Status::Succeeded => FinalResult::new(status, None, at),
                status => {
                    let error = JobError::new(*seed.pick(&ErrorClass::ALL), "test", "a test");
                    FinalResult::new(status, Some(&error), at)
                }
            }
        })
        .collect()
}

fn answers(strategy: &mut dyn FailureStrategy, results: &[FinalResult], total: u64) -> Vec<Directive> {
    results.iter().map(|result| strategy.on_result(result, total)).collect()
}

fn reason_of(directive: &Directive) -> Option<&StopReason> {
    match directive {
        Directive::Pause(reason) | Directive::Soon(reason) | Directive::Now(reason) => Some(reason),
        _ => None,
    }
}

fn a_replay_gives_the_same_answers(make: Make<'_, Subject>) -> Checked {
    for seed in 0..20 {
        let results = random_results(200, seed);
        let (one, other) = (answers(&mut *make(), &results, 200), answers(&mut *make(), &results, 200));
        if let Some(place) = one.iter().zip(&other).position(|(a, b)| a != b) {
            let message = format!("seed {seed}: result {place} gave {:?} and then {:?}", one[place], other[place]);
            return Err(Unmet::Failed(message));
        }
    }
    Ok(())
}

fn instances_are_independent(make: Make<'_, Subject>) -> Checked {
    let results = random_results(100, 1);
    let expected = answers(&mut *make(), &results, 100);
    let (mut one, mut other) = (make(), make());
    for (result, expected) in results.iter().zip(expected) {
        other.on_result(result, 100);
        other.on_result(result, 100);
        let answer = one.on_result(result, 100);
        ensure!(answer == expected, "{answer:?} beside another instance, {expected:?} alone");
    }
    Ok(())
}

fn a_stop_has_a_rule_and_a_message(make: Make<'_, Subject>) -> Checked {
    for total in [1, 10, 100] {
        let mut strategy = make();
        for result in random_results(100, total) {
            if let Some(reason) = reason_of(&strategy.on_result(&result, total)) {
                ensure!(!reason.rule.trim().is_empty(), "a stop names no rule: {reason:?}");
                let one_line = !reason.message.trim().is_empty() && !reason.message.contains('\n');
                ensure!(one_line, "a stop has no message of one line: {reason:?}");
            }
        }
    }
    Ok(())
}

fn any_size_of_batch_is_taken(make: Make<'_, Subject>) -> Checked {
    for total in [1, 2, u64::from(u32::MAX), u64::MAX] {
        // A panic, of arithmetic too, fails the case.
        answers(&mut *make(), &random_results(50, 3), total);
    }
    let last = FinalResult::new(Status::TimedOut, None, MonoTime::NEVER);
    make().on_result(&last, 1);
    Ok(())
}

fn a_hundred_thousand_ends_are_taken(make: Make<'_, Subject>) -> Checked {
    let results = random_results(100_000, 4);
    ensure!(answers(&mut *make(), &results, 100_000).len() == 100_000, "an end was not answered");
    Ok(())
}

fn results_after_a_stop_are_taken(make: Make<'_, Subject>) -> Checked {
    let (mut strategy, mut stopped) = (make(), false);
    for result in random_results(1000, 5) {
        stopped |= matches!(strategy.on_result(&result, 1000), Directive::Soon(_) | Directive::Now(_));
    }
    if stopped { Ok(()) } else { Err(Unmet::NotApplicable("it does not stop at a thousand random ends")) }
}

fn moves_between_threads(make: Make<'_, Subject>) -> Checked {
    let results = random_results(100, 6);
    let expected = answers(&mut *make(), &results, 100);
    let (mut strategy, mut moved) = (make(), Vec::new());
    for part in results.chunks(25) {
        let part = part.to_vec();
        let thread = std::thread::spawn(move || {
            let answers = answers(&mut *strategy, &part, 100);
            (strategy, answers)
        });
        let (back, answers) = thread.join().map_err(|_| Unmet::Failed("panicked on another thread".to_owned()))?;
        strategy = back;
        moved.extend(answers);
    }
    ensure!(moved == expected, "a strategy answers differently on other threads");
    Ok(())
}
