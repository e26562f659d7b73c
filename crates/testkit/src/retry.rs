//! The kit for [`RetryPolicy`]s.

use std::{sync::Arc, time::Duration};

use batchmill_core::{Draw, ErrorClass, FailedAttempt, RetryDecision, RetryPolicy};

use crate::{
    Case, Make, Report, Seed,
    case::{Checked, Unmet, ensure},
};

/// What the kit makes many of.
pub type Subject = Box<dyn RetryPolicy>;

/// Runs every case.
pub fn run(make: impl Fn() -> Subject) -> Report {
    Report::of("retry", cases(), &make)
}

/// The cases, in the order of the report.
pub fn cases() -> &'static [Case<Subject>] {
    const CASES: &[Case<Subject>] = &[
        Case::new("the_same_failure_gives_the_same_answer", the_same_failure_gives_the_same_answer),
        Case::new("instances_agree", instances_agree),
        Case::new("every_class_is_given_up_at_last", every_class_is_given_up_at_last),
        Case::new("giving_up_is_for_good", giving_up_is_for_good),
        Case::new("a_hint_is_a_lower_bound", a_hint_is_a_lower_bound),
        Case::new("extreme_failures_do_not_panic", extreme_failures_do_not_panic),
        Case::new("a_reason_is_a_clause_of_one_line", a_reason_is_a_clause_of_one_line),
        Case::new("the_budget_is_always_the_same", the_budget_is_always_the_same),
        Case::new("threads_share_one_policy", threads_share_one_policy),
    ];
    CASES
}

/// The classes that a policy is asked about: the caller keeps `fatal` and `cancelled` to itself.
fn classes() -> impl Iterator<Item = ErrorClass> {
    ErrorClass::ALL.into_iter().filter(|class| !matches!(class, ErrorClass::Fatal | ErrorClass::Cancelled))
}

fn random_failure(seed: &mut Seed) -> FailedAttempt {
    let classes: Vec<ErrorClass> = classes().collect();
    let attempt = if seed.once_in(4) { u32::MAX } else { 0 } | u32::try_from(seed.below(12) + 1).unwrap_or(1);
    let hint = seed.once_in(2).then(|| Duration::from_millis(seed.below(100_000)));
    let elapsed = Duration::from_millis(seed.below(1_000_000));
    FailedAttempt::new(attempt, *seed.pick(&classes), elapsed, hint, seed.draw())
}

fn at_attempt(attempt: u32, class: ErrorClass) -> FailedAttempt {
    FailedAttempt::new(attempt, class, Duration::ZERO, None, Draw::from_bits(1 << 63))
}

fn the_budget_is_always_the_same(make: Make<'_, Subject>) -> Checked {
    let (policy, other, mut seed) = (make(), make(), Seed::new(8));
    let before = policy.budget();
    for _ in 0..100 {
        policy.decide(&random_failure(&mut seed));
    }
    ensure!(policy.budget() == before, "the budget was {before:?} and is {:?}", policy.budget());
    ensure!(other.budget() == before, "instances name other budgets: {before:?} and {:?}", other.budget());
    Ok(())
}

fn the_same_failure_gives_the_same_answer(make: Make<'_, Subject>) -> Checked {
    let (policy, mut seed) = (make(), Seed::new(1));
    for _ in 0..1000 {
        let failed = random_failure(&mut seed);
        let (one, other) = (policy.decide(&failed), policy.decide(&failed));
        ensure!(one == other, "{failed:?} was answered with {one:?} and then {other:?}");
    }
    Ok(())
}

fn instances_agree(make: Make<'_, Subject>) -> Checked {
    let (one, other, mut seed) = (make(), make(), Seed::new(2));
    for _ in 0..1000 {
        let failed = random_failure(&mut seed);
        // The other one sees failures that the first does not: its answers must not depend on them.
        other.decide(&random_failure(&mut seed));
        ensure!(one.decide(&failed) == other.decide(&failed), "two instances answer {failed:?} differently");
    }
    Ok(())
}

fn every_class_is_given_up_at_last(make: Make<'_, Subject>) -> Checked {
    let policy = make();
    for class in classes() {
        let answer = policy.decide(&at_attempt(u32::MAX, class));
        let given_up = matches!(answer, RetryDecision::GiveUp(_));
        ensure!(given_up, "class {class} is retried even after attempt {}: {answer:?}", u32::MAX);
    }
    Ok(())
}

fn giving_up_is_for_good(make: Make<'_, Subject>) -> Checked {
    let policy = make();
    for class in classes() {
        let mut given_up_at = None;
        for attempt in (1..=2000).chain((11..32).map(|power| 1 << power)).chain([u32::MAX]) {
            match (policy.decide(&at_attempt(attempt, class)), given_up_at) {
                (RetryDecision::GiveUp(_), None) => given_up_at = Some(attempt),
                (RetryDecision::After(_), Some(earlier)) => {
                    let message = format!("class {class} is given up at attempt {earlier}, but not at {attempt}");
                    return Err(Unmet::Failed(message));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn a_hint_is_a_lower_bound(make: Make<'_, Subject>) -> Checked {
    let (policy, mut seed) = (make(), Seed::new(3));
    for class in classes() {
        for hint in [Duration::ZERO, Duration::from_nanos(1), Duration::from_secs(3600), Duration::MAX] {
            for attempt in 1..20 {
                let failed = FailedAttempt::new(attempt, class, Duration::ZERO, Some(hint), seed.draw());
                if let RetryDecision::After(delay) = policy.decide(&failed) {
                    ensure!(delay >= hint, "{failed:?} is retried after {delay:?}, before the hint");
                }
            }
        }
    }
    Ok(())
}

fn extreme_failures_do_not_panic(make: Make<'_, Subject>) -> Checked {
    let policy = make();
    let durations = [Duration::ZERO, Duration::from_nanos(1), Duration::MAX];
    for class in classes() {
        for attempt in [1, 2, 3, 63, 64, 65, 999, 1000, u32::MAX - 1, u32::MAX] {
            for elapsed in durations {
                for hint in [None, Some(Duration::ZERO), Some(Duration::MAX)] {
                    for bits in [0, 1 << 63, u64::MAX] {
                        // A panic fails the case.
                        policy.decide(&FailedAttempt::new(attempt, class, elapsed, hint, Draw::from_bits(bits)));
                    }
                }
            }
        }
    }
    Ok(())
}

fn a_reason_is_a_clause_of_one_line(make: Make<'_, Subject>) -> Checked {
    let (policy, mut seed) = (make(), Seed::new(4));
    for _ in 0..1000 {
        if let RetryDecision::GiveUp(reason) = policy.decide(&random_failure(&mut seed)) {
            let is_clause = !reason.trim().is_empty() && !reason.contains('\n') && !reason.ends_with('.');
            ensure!(is_clause, "the reason {reason:?} is no clause");
        }
    }
    Ok(())
}

fn threads_share_one_policy(make: Make<'_, Subject>) -> Checked {
    let policy: Arc<dyn RetryPolicy> = Arc::from(make());
    let ask = |policy: &dyn RetryPolicy| -> Vec<RetryDecision> {
        let mut seed = Seed::new(5);
        (0..500).map(|_| policy.decide(&random_failure(&mut seed))).collect()
    };
    let expected = ask(&*policy);
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let policy = Arc::clone(&policy);
            std::thread::spawn(move || ask(&*policy))
        })
        .collect();
    for thread in threads {
        let answers = thread.join().map_err(|_| Unmet::Failed("panicked on another thread".to_owned()))?;
        ensure!(answers == expected, "a policy answers differently on another thread");
    }
    Ok(())
}
