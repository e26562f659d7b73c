//! Attempts: what a failed one leaves to the next.

use batchmill_core::{CancelReason, Checkpointer, ErrorClass, GivenUp, JobError};
use batchmill_flow::AttemptEnd;
use serde_json::json;

use crate::check::{Attempts, object};

#[tokio::test]
async fn siblings_of_a_failed_node_end_and_are_not_run_again() {
    let yaml = "nodes:
  a: {jq: '{a: 1}'}
  b: {fail: transient, times: 2}
  c: {jq: '{c: 1}'}
  j: {needs: [a, b, c], jq: '{}'}";
    assert_eq!(
        Attempts::of(yaml).run(3, json!({})).await,
        ["a b c -> broken b", "b -> broken b", r#"b j -> {"a":1,"c":1}"#]
    );
}

#[tokio::test]
async fn updates_of_an_earlier_attempt_merge_in_declaration_order_too() {
    let yaml = "state: {seen: {reduce: append}}
nodes:
  a: {fail: transient, times: 1, next: x}
  b: {jq: '{seen: \"b\"}', next: x}
  c: {jq: '{seen: \"c\"}'}
  x: {jq: '{seen: \"x\"}'}";
    assert_eq!(Attempts::of(yaml).run(2, json!({})).await, ["a b c -> broken a", r#"a x -> {"seen":["b","c","x"]}"#]);
}

#[tokio::test]
async fn completed_supersteps_are_not_run_again() {
    let yaml = "nodes:\n  a: {jq: '{}', next: b}\n  b: {jq: '{}', next: c}\n  c: {fail: timeout, times: 1}";
    assert_eq!(
        Attempts::of(yaml).run(2, json!({})).await,
        ["a b c -> timeout c".replace("timeout", "broken").as_str(), "c -> {}"]
    );
}

#[tokio::test]
async fn on_error_applies_after_the_last_attempt() {
    let yaml = "nodes:
  a: {fail: transient, on_error: {goto: h}, next: b}
  b: {jq: '{}'}
  h: {jq: '{failed: $error.node}'}";
    assert_eq!(
        Attempts::of(yaml).run(3, json!({})).await,
        ["a -> broken a", "a -> broken a", "a -> broken a", r#"h -> {"failed":"a"}"#]
    );
}

#[tokio::test]
async fn a_handled_node_stays_handled_while_its_siblings_are_retried() {
    let yaml = "nodes:
  a: {fail: permanent, on_error: continue, next: c}
  b: {fail: transient, times: 4, next: c}
  c: {jq: '{c: 1}'}";
    let attempts = Attempts::of(yaml);
    let input = object(json!({}));
    assert!(matches!(attempts.attempt(1, &input, &[]).await, AttemptEnd::Failed(f) if f.iter().count() == 2));
    let a = GivenUp::new("a".into(), JobError::new(ErrorClass::Permanent, "broken", "broken"), 1);
    assert!(matches!(attempts.attempt(2, &input, &[a]).await, AttemptEnd::Failed(f) if f.iter().count() == 1));
    // The checkpoint knows that `a` is done with: nobody has to say it again.
    assert!(matches!(attempts.attempt(3, &input, &[]).await, AttemptEnd::Failed(_)));
    assert!(matches!(attempts.attempt(4, &input, &[]).await, AttemptEnd::Failed(_)));
    assert!(matches!(attempts.attempt(5, &input, &[]).await, AttemptEnd::Done { .. }));
    assert_eq!(attempts.ran(), "a b b b b b c");
}

#[tokio::test]
async fn a_failure_says_whether_the_flow_handles_it_and_who_decides_about_its_retry() {
    let yaml = "defaults: {retry: {delay: 1s}}
nodes:
  a: {fail: transient, on_error: continue, retry: 5}
  b: {fail: transient}
  c: {fail: fatal, on_error: continue, retry: {max_attempts: 5}}";
    let attempts = Attempts::of(yaml);
    let AttemptEnd::Failed(failure) = attempts.attempt(1, &object(json!({})), &[]).await else { panic!("must fail") };
    let shown: Vec<_> = failure.iter().map(|f| (f.node.as_deref().unwrap_or_default(), f.handled, f.retry.0)).collect();
    assert_eq!(shown, [("a", true, 1), ("b", false, 2), ("c", false, 1)]);
    let settings: Vec<_> = attempts.flow.graph().retry_settings().iter().map(|s| json!(s).to_string()).collect();
    assert_eq!(settings, [r#"{"delay":"1s","max_attempts":5}"#, r#"{"delay":"1s"}"#]);
}

#[tokio::test]
async fn a_node_given_up_whose_error_nobody_handles_fails_the_attempt_without_running() {
    let attempts = Attempts::of("nodes:\n  a: {jq: '{}'}");
    let given_up = [GivenUp::new("a".into(), JobError::new(ErrorClass::Timeout, "timeout", "too slow"), 1)];
    let end = attempts.attempt(1, &object(json!({})), &given_up).await;
    let AttemptEnd::Failed(failure) = end else { panic!("{end:?}") };
    assert_eq!((failure.first.error.class, &*failure.first.error.code), (ErrorClass::Timeout, "timeout"));
    assert_eq!((failure.first.handled, attempts.ran().as_str()), (false, ""));
}

#[tokio::test]
async fn without_checkpoints_an_attempt_starts_from_the_beginning() {
    let yaml = "checkpoint: none
nodes:
  a: {jq: '{a: 1}', next: b}
  b: {fail: transient, on_error: continue, next: c}
  c: {jq: '{c: 1}'}";
    let attempts = Attempts::of(yaml);
    assert_eq!(attempts.run(2, json!({})).await, ["a b -> broken b", "a b -> broken b", r#"a c -> {"a":1,"c":1}"#]);
    assert_eq!(attempts.memory.threads(), 0);
}

#[tokio::test]
async fn a_told_attempt_stops_and_the_next_one_runs_only_what_is_missing() {
    let yaml = "nodes:
  a: {jq: '{a: 1}'}
  b: {listen: true, on_error: continue}";
    let attempts = Attempts::of(yaml);
    let input = object(json!({}));
    let cancel = attempts.cancel.clone();
    let (end, ()) = tokio::join!(attempts.attempt(1, &input, &[]), async { cancel.cancel(CancelReason::Stop) });
    assert!(matches!(end, AttemptEnd::Stopped), "{end:?}");
    assert_eq!(attempts.ran(), "a b b ended cleanly");
    let kept = attempts.memory.get(&attempts.thread, None).await.unwrap().unwrap();
    assert_eq!((kept.next, kept.pending.len()), (vec!["a".to_owned(), "b".to_owned()], 1));
    assert_eq!(kept.pending[0].node, "a");
}

#[tokio::test]
async fn a_told_attempt_stops_between_supersteps() {
    let attempts = Attempts::of("nodes:\n  a: {jq: '{a: 1}', next: b}\n  b: {jq: '{b: 1}'}");
    attempts.cancel.cancel(CancelReason::Stop);
    assert!(matches!(attempts.attempt(1, &object(json!({})), &[]).await, AttemptEnd::Stopped));
    assert_eq!(attempts.ran(), "a");
    let mut again = attempts;
    again.cancel = batchmill_core::CancelSignal::new();
    let end = again.attempt(2, &object(json!({})), &[]).await;
    assert!(matches!(&end, AttemptEnd::Done { output, .. } if *output == json!({"a": 1, "b": 1})), "{end:?}");
    assert_eq!(again.ran(), "b");
}

#[tokio::test]
async fn a_flow_that_has_ended_is_done_even_if_it_was_told_to_end_meanwhile() {
    let attempts = Attempts::of("nodes:\n  a: {jq: '{a: 1}'}");
    attempts.cancel.cancel(CancelReason::Stop);
    assert!(matches!(attempts.attempt(1, &object(json!({})), &[]).await, AttemptEnd::Done { .. }));
}

#[tokio::test]
async fn a_killed_attempt_keeps_nothing() {
    let attempts = Attempts::of("nodes:\n  a: {jq: '{a: 1}', next: b}\n  b: {jq: '{b: 1}'}");
    attempts.cancel.cancel(CancelReason::Kill);
    assert!(matches!(attempts.attempt(1, &object(json!({})), &[]).await, AttemptEnd::Stopped));
    assert_eq!(attempts.memory.threads(), 0);
}

#[tokio::test]
async fn output_is_what_the_result_carries() {
    let attempts = Attempts::of("output: '{sum: (.a + $input.b)}'\nnodes:\n  a: {jq: '{a: 1}'}");
    assert_eq!(attempts.run(1, json!({"b": 2})).await, [r#"a -> {"sum":3}"#]);
    let wrong = Attempts::of("output: 'error(\"no\")'\nnodes:\n  a: {jq: '{a: 1}'}");
    assert_eq!(wrong.run(1, json!({})).await, ["a -> expression_failed -"]);
}
