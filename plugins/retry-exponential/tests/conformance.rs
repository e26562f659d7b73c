//! `exponential` against the retry kit and its config.

use std::time::Duration;

use batchmill_core::{BuildContext, Draw, ErrorClass, FailedAttempt, RetryDecision, RetryPolicy};
use batchmill_plugin::Registry;
use batchmill_retry_exponential::{Backoff, Exponential, Jitter, Options, RetryClass, register};
use batchmill_testkit::{options as table, retry};
use proptest::prelude::*;
use serde_json::{Value, json};

fn built(options: Value) -> Box<dyn RetryPolicy> {
    let mut registry = Registry::default();
    register(&mut registry);
    let factory = registry.get::<dyn RetryPolicy>("exponential").unwrap();
    factory.build(&table(options), &BuildContext::default()).unwrap()
}

fn problems(options: Value) -> Vec<String> {
    let mut registry = Registry::default();
    register(&mut registry);
    let factory = registry.get::<dyn RetryPolicy>("exponential").unwrap();
    let problems = factory.validate(&table(options)).err().unwrap_or_default();
    problems.iter().map(ToString::to_string).collect()
}

fn failed(attempt: u32, class: ErrorClass) -> FailedAttempt {
    FailedAttempt::new(attempt, class, Duration::ZERO, None, Draw::from_bits(0))
}

fn after(millis: u64) -> RetryDecision {
    RetryDecision::After(Duration::from_millis(millis))
}

#[test]
fn exponential_keeps_the_contract() {
    for options in [
        json!({}),
        json!({"max_attempts": 1}),
        json!({"max_attempts": 1000, "jitter": "none", "delay": "0s", "factor": 100}),
        json!({"max_attempts": 1000, "jitter": "equal", "delay": "3650d", "max_delay": "3650d"}),
        json!({"budget": {"burst": 100}}),
        json!({"on": ["permanent"], "backoff": "fixed", "classes": {"permanent": {"max_attempts": 7}}}),
    ] {
        retry::run(|| built(options.clone())).assert_passed();
    }
}

#[test]
fn the_defaults_are_those_of_the_reference() {
    assert_eq!(
        serde_json::to_value(Options::default()).unwrap(),
        json!({
            "max_attempts": 3, "backoff": "exponential", "delay": "200ms", "factor": 2.0, "max_delay": "30s",
            "jitter": "full", "on": ["transient", "recoverable", "timeout", "resource", "crash"], "classes": {},
            "budget": {"burst": 0, "ratio": 0.1, "per_second": 1.0},
        })
    );
}

#[test]
fn a_class_may_differ_from_the_rest() {
    let policy = built(json!({
        "jitter": "none", "max_attempts": 5,
        "classes": {"timeout": {"max_attempts": 2, "delay": "1s"}, "crash": {"backoff": "fixed"}},
    }));
    assert_eq!(policy.decide(&failed(2, ErrorClass::Transient)), after(400));
    assert_eq!(policy.decide(&failed(1, ErrorClass::Timeout)), after(1000));
    assert_eq!(policy.decide(&failed(2, ErrorClass::Timeout)), RetryDecision::GiveUp("2 of 2 attempts used".into()));
    let reason = "3 attempts used, class timeout allows 2";
    assert_eq!(policy.decide(&failed(3, ErrorClass::Timeout)), RetryDecision::GiveUp(reason.into()));
    assert_eq!(policy.decide(&failed(4, ErrorClass::Crash)), after(200));
}

#[test]
fn a_permanent_error_is_retried_only_by_those_who_ask_for_it() {
    let reason = "class permanent is not retried";
    let given_up = RetryDecision::GiveUp(reason.into());
    assert_eq!(Exponential::default().decide(&failed(1, ErrorClass::Permanent)), given_up);
    assert!(matches!(
        built(json!({"on": ["permanent"]})).decide(&failed(1, ErrorClass::Permanent)),
        RetryDecision::After(_)
    ));
}

#[test]
fn fatal_and_cancelled_are_never_retried() {
    let every = json!({"on": ["transient", "recoverable", "permanent", "timeout", "resource", "crash"]});
    for class in [ErrorClass::Fatal, ErrorClass::Cancelled] {
        assert!(matches!(built(every.clone()).decide(&failed(1, class)), RetryDecision::GiveUp(_)), "{class}");
        let refused = problems(json!({"on": [class.as_str()]}));
        assert!(refused[0].starts_with(&format!("on.0: unknown variant `{class}`, expected one of")), "{refused:?}");
    }
}

#[test]
fn what_the_other_side_asks_for_beats_the_cap_but_not_a_longer_wait() {
    let policy = built(json!({"jitter": "none", "delay": "1s", "max_delay": "2s"}));
    let hinted = |hint| {
        let mut failed = failed(1, ErrorClass::Recoverable);
        failed.hint = Some(Duration::from_millis(hint));
        failed
    };
    assert_eq!(policy.decide(&hinted(60_000)), after(60_000));
    assert_eq!(policy.decide(&hinted(10)), after(1000));
}

#[test]
fn every_problem_is_reported_at_once_with_its_place() {
    assert_eq!(
        problems(json!({
            "max_attempts": 0, "factor": 0.5, "delay": "1m", "dealy": "1s",
            "classes": {"permanent": {}, "timeout": {"max_attempts": 1001, "max_delay": "1s", "jiter": "none"}},
        })),
        [
            "dealy: unknown key `dealy`, did you mean `delay`?",
            "classes.timeout.jiter: unknown key `jiter`, did you mean `jitter`?",
            "max_attempts: must be 1 to 1000, the first try counted, found 0",
            "factor: must be 1 to 100, found 0.5",
            "max_delay: `max_delay` (30s) must not be less than `delay` (1m)",
            "classes.permanent: `permanent` is not retried: list it in `on`",
            "classes.timeout.max_attempts: must be 1 to 1000, the first try counted, found 1001",
            "classes.timeout.max_delay: `max_delay` (1s) must not be less than `delay` (1m)",
        ]
    );
}

#[test]
fn a_budget_is_named_where_it_has_a_burst() {
    assert_eq!(Exponential::default().budget(), None);
    let budget = built(json!({"budget": {"burst": 7, "per_second": 2}})).budget().unwrap();
    assert_eq!((budget.burst().get(), budget.ratio(), budget.per_second()), (7, 0.1, 2.0));
}

#[test]
fn a_budget_that_would_do_nothing_or_never_refill_is_refused() {
    let of = |budget| problems(json!({"budget": budget}));
    assert_eq!(
        of(json!({"per_second": 5})),
        ["budget.burst: without `burst` there is no budget, and `ratio` and `per_second` mean nothing"]
    );
    assert_eq!(
        of(json!({"burst": 5, "per_second": 0, "ratio": -1})),
        ["budget.ratio: must be 0 to 100, found -1", "budget.per_second: must be 0.001 to 1000000, found 0"]
    );
    assert_eq!(of(json!({"burts": 5})), ["budget.burts: unknown key `burts`, did you mean `burst`?"]);
}

#[test]
fn a_policy_made_in_rust_is_checked_too() {
    assert_eq!(Exponential::new(&Options::with_max_attempts(0)).unwrap_err().len(), 1);
    let mut options = Options::with_max_attempts(2);
    (options.jitter, options.backoff, options.on) = (Jitter::None, Backoff::Fixed, vec![RetryClass::Crash]);
    let policy = Exponential::new(&options).unwrap();
    assert_eq!(policy.decide(&failed(1, ErrorClass::Crash)), after(200));
    assert_eq!(
        policy.decide(&failed(1, ErrorClass::Timeout)),
        RetryDecision::GiveUp("class timeout is not retried".into())
    );
}

proptest! {
    #[test]
    fn a_wait_stays_within_its_cap_and_the_waits_before_chance_never_shrink(
        delay in 0_u64..100_000, more in 0_u64..1_000_000, factor in 1.0_f64..100.0, attempt in 1_u32..998, bits: u64,
    ) {
        let max = delay + more;
        let options = |jitter: &str| json!({
            "max_attempts": 1000, "delay": format!("{delay}ms"), "max_delay": format!("{max}ms"), "factor": factor,
            "jitter": jitter,
        });
        let wait = |jitter, attempt| {
            let mut failed = failed(attempt, ErrorClass::Transient);
            failed.draw = Draw::from_bits(bits);
            match built(options(jitter)).decide(&failed) {
                RetryDecision::After(wait) => wait,
                given_up => panic!("{given_up:?} at attempt {attempt} of 1000"),
            }
        };
        let exact = wait("none", attempt);
        prop_assert!(exact <= Duration::from_millis(max));
        prop_assert!(exact <= wait("none", attempt + 1));
        prop_assert!(wait("full", attempt) <= exact);
        let equal = wait("equal", attempt);
        prop_assert!(exact / 2 <= equal && equal <= exact);
    }
}
