//! Failing nodes: siblings, `on_error`, panics.

use batchmill_core::{ErrorClass, GivenUp, JobError};
use batchmill_flow::AttemptEnd;
use serde_json::json;

use crate::check::{Attempts, check, object};

#[tokio::test]
async fn all_failed_nodes_are_named_in_declaration_order() {
    let yaml = "nodes:\n  a: {fail: transient}\n  b: {jq: '{}'}\n  c: {fail: permanent}";
    assert_eq!(check(yaml, json!({})).await, "a! b c! -> a broken: broken; c broken: broken");
}

#[tokio::test]
async fn on_error_continue_goes_on_as_if_the_node_had_ended_without_update() {
    let yaml = "nodes:
  a: {fail: transient, on_error: continue, next: b}
  b: {jq: '{b: 1}'}
  c: {jq: '{}'}
  j: {needs: [a, c], jq: '{j: 1}'}";
    assert_eq!(check(yaml, json!({})).await, r#"a? c | b j -> {"b":1,"j":1}"#);
}

#[tokio::test]
async fn on_error_goto_leads_there_alone_with_the_error() {
    let yaml = "nodes:
  a: {fail: timeout, on_error: {goto: h}, next: b}
  b: {jq: '{}'}
  j: {needs: [a, b], jq: '{}'}
  h: {jq: '{class: $error.class, code: $error.code, node: $error.node}', next: [{when: '$error.class == \"timeout\"', to: k}]}
  k: {jq: '{later: $error}'}";
    assert_eq!(
        check(yaml, json!({})).await,
        r#"a? | h | k -> {"class":"timeout","code":"broken","node":"a","later":null}"#
    );
}

#[tokio::test]
async fn on_error_goto_end_ends_the_path() {
    assert_eq!(
        check("nodes:\n  a: {fail: crash, on_error: {goto: END}, next: b}\n  b: {jq: .}", json!({})).await,
        "a? -> {}"
    );
}

#[tokio::test]
async fn several_errors_that_lead_to_one_node_are_one_run_that_sees_the_first() {
    let yaml = "nodes:
  a: {fail: transient, on_error: {goto: h}}
  b: {fail: transient, on_error: {goto: h}}
  h: {jq: '{from: $error.node}'}";
    assert_eq!(check(yaml, json!({})).await, r#"a? b? | h -> {"from":"a"}"#);
}

#[tokio::test]
async fn a_fatal_error_is_not_handled() {
    assert_eq!(check("nodes:\n  a: {fail: fatal, on_error: continue}", json!({})).await, "a! -> a broken: broken");
}

#[tokio::test]
async fn a_bad_update_is_an_error_of_its_node_and_on_error_applies() {
    let yaml =
        "state: {n: {reduce: add}}\nnodes:\n  a: {jq: '{n: null}', on_error: continue, next: b}\n  b: {jq: '{n: 1}'}";
    assert_eq!(check(yaml, json!({})).await, r#"a? | b -> {"n":1}"#);
}

#[tokio::test]
async fn a_panic_is_a_crash_of_its_node_and_takes_nothing_else_down() {
    let yaml = "nodes:\n  a: {panic: true}\n  b: {jq: '{}'}";
    assert_eq!(check(yaml, json!({})).await, "a! b -> a panic: panicked: all is lost in a");
    let handled = "nodes:\n  a: {panic: true, on_error: continue}\n  b: {jq: '{b: 1}'}";
    assert_eq!(check(handled, json!({})).await, r#"a? b -> {"b":1}"#);
}

#[tokio::test]
async fn errors_of_the_flow_have_the_class_that_decides_about_their_retry() {
    let node = |jq: &str| format!("nodes:\n  a: {{jq: '{jq}'}}");
    for (flow, code, class) in [
        (node("[1]"), "bad_update", ErrorClass::Permanent),
        (node("{n: 1}, {n: 2}"), "bad_update", ErrorClass::Permanent),
        (node("error"), "expression_failed", ErrorClass::Permanent),
        (node("[range(1e12)]"), "expression_limit", ErrorClass::Resource),
        (node("{a: (\"x\" * 17000000)}"), "state_too_large", ErrorClass::Resource),
        ("nodes:\n  a: {jq: '{x: 1}'}\n  b: {jq: '{x: 1}'}".into(), "conflicting_update", ErrorClass::Permanent),
        ("nodes:\n  a: {jq: '{}', next: [{when: .x, to: END}]}".into(), "no_branch", ErrorClass::Permanent),
        ("max_steps: 1\nstart: a\nnodes:\n  a: {jq: '{}', next: a}".into(), "max_steps", ErrorClass::Permanent),
        ("nodes:\n  a: {panic: true}".into(), "panic", ErrorClass::Crash),
    ] {
        let end = Attempts::of(&flow).attempt(1, &object(json!({})), &[]).await;
        let AttemptEnd::Failed(failure) = end else { panic!("{flow}: {end:?}") };
        assert_eq!((&*failure.first.error.code, failure.first.error.class), (code, class), "{flow}");
    }
}

#[tokio::test]
async fn a_node_that_a_goto_leads_to_sees_its_error_again_when_it_is_retried() {
    let yaml = "nodes:
  a: {fail: permanent, on_error: {goto: h}}
  h: {jq: '{node: $error.node}'}
  i: {jq: '{}', next: j}
  j: {fail: transient, times: 1}";
    assert_eq!(Attempts::of(yaml).run(1, json!({})).await, ["a i -> broken a", r#"h j -> broken j"#]);
    let attempts = Attempts::of(yaml);
    let input = object(json!({}));
    assert!(matches!(attempts.attempt(1, &input, &[]).await, AttemptEnd::Failed(_)));
    let given_up = JobError::new(ErrorClass::Permanent, "broken", "broken").at_node("a");
    let given_up = [GivenUp::new("a".into(), given_up, 1)];
    assert!(matches!(attempts.attempt(2, &input, &given_up).await, AttemptEnd::Failed(_)));
    let AttemptEnd::Done { output, .. } = attempts.attempt(3, &input, &[]).await else { panic!("must end") };
    assert_eq!((output, attempts.ran().as_str()), (json!({"node": "a"}), "a i h j j"));
}

#[tokio::test]
async fn a_join_that_a_goto_names_runs_for_it_and_does_not_wait() {
    let yaml = "nodes:
  a: {fail: transient, on_error: {goto: j}}
  b: {jq: '{}', next: c}
  c: {jq: '{}'}
  j: {needs: [b, c], jq: '{from: $error.node}'}";
    assert_eq!(check(yaml, json!({})).await, r#"a? b | c j | j -> {"from":null}"#);
}
