//! `edf` against the scheduler kit, and its order.

use batchmill_core::{BuildContext, ClassId, Entry, MonoTime, Pick, Priority, Scheduler, Token};
use batchmill_plugin::Registry;
use batchmill_testkit::scheduler;
use serde_json::{Value, json};

fn built(options: Value) -> Box<dyn Scheduler> {
    let mut registry = Registry::default();
    edf::register(&mut registry);
    let options = serde_json::from_value(options).expect("options are an object");
    registry.get::<dyn Scheduler>("edf").unwrap().build(&options, &BuildContext::default()).unwrap()
}

#[test]
fn edf_keeps_the_contract() {
    let report = scheduler::run(|| built(json!({})));
    report.assert_passed();
    assert!(!report.not_applicable().contains(&"an_end_that_is_not_heard_changes_nothing"), "{report}");
    scheduler::run(|| built(json!({"assume": "1h"}))).assert_passed();
}

/// The order in which jobs start that are queued and due at these seconds.
#[track_caller]
fn check(options: Value, jobs: &[(u64, Option<u64>)], expected: &[u64]) {
    let at = |seconds: u64| MonoTime::from_nanos(seconds * 1_000_000_000);
    let mut scheduler = built(options);
    for (number, (queued, due)) in (0..).zip(jobs) {
        let mut entry = Entry::new(Token(number), ClassId(0), Priority(0), "default", at(*queued));
        entry.deadline = due.map(at);
        scheduler.push(entry);
    }
    let order = std::iter::from_fn(|| match scheduler.pop(at(0)) {
        Pick::Run(token) => Some(token.0),
        _ => None,
    });
    assert_eq!(order.collect::<Vec<_>>(), expected);
}

#[test]
fn the_earliest_deadline_starts_first_and_those_without_one_last() {
    check(json!({}), &[(0, None), (1, Some(90)), (2, Some(30)), (3, Some(60)), (4, Some(30))], &[2, 4, 3, 1, 0]);
}

#[test]
fn a_job_without_a_deadline_may_be_given_one() {
    check(json!({"assume": "1m"}), &[(0, None), (1, Some(90)), (2, Some(30))], &[2, 0, 1]);
}
