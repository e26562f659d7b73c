//! `state_limit`: how large a state may become.

use batchmill_core::ErrorClass;
use batchmill_flow::AttemptEnd;
use serde_json::json;

use crate::{
    check::{Attempts, check, flow, object, problems},
    kinds::Log,
};

#[tokio::test]
async fn an_update_that_makes_the_state_too_large_fails_its_node() {
    let yaml = "state_limit: 1KiB\nnodes:\n  a: {jq: '{a: (\"x\" * 600)}', next: b}\n  b: {jq: '{b: (\"x\" * 600)}'}";
    assert_eq!(
        check(yaml, json!({})).await,
        "a | b! -> b state_too_large: with this update the state would have about 2KiB, more than its 1KiB (`state_limit`); \
         keep large data in files and their names in the state"
    );
    let attempts = Attempts::of(yaml);
    let AttemptEnd::Failed(failure) = attempts.attempt(1, &object(json!({})), &[]).await else { panic!("must fail") };
    assert_eq!(failure.first.error.class, ErrorClass::Resource);
}

#[tokio::test]
async fn a_state_holds_16_mib_unless_the_flow_says_otherwise() {
    let nodes = |mib: u32| format!("nodes:\n  a: {{jq: '{{a: (\"x\" * {})}}'}}", mib << 20);
    assert!(check(&nodes(15), json!({})).await.starts_with("a -> {\"a\":"));
    assert!(check(&nodes(16), json!({})).await.starts_with("a! -> a state_too_large: "));
    let more = format!("state_limit: 18MiB\n{}", nodes(16));
    assert!(check(&more, json!({})).await.starts_with("a -> {\"a\":"));
}

#[tokio::test]
async fn what_is_replaced_makes_room() {
    let yaml = "state_limit: 2KiB
max_steps: 99
start: a
nodes:
  a: {jq: '{n: ((.n // 0) + 1), a: (\"x\" * 1500)}', next: [{when: '.n < 50', to: a}, {to: b}]}
  b: {jq: '{a: null}'}";
    assert!(check(yaml, json!({})).await.ends_with(r#" | a | b -> {"n":50,"a":null}"#));
}

#[tokio::test]
async fn what_is_appended_adds_up() {
    let yaml = "state_limit: 2KiB
state: {list: {reduce: append}}
max_steps: 99
start: a
nodes:
  a: {jq: '{list: (\"x\" * 100)}', next: a}";
    let end = check(yaml, json!({})).await;
    assert_eq!(end.matches(" | ").count(), 19, "{end}");
    assert!(end.contains("a! -> a state_too_large: "), "{end}");
}

#[tokio::test]
async fn of_a_superstep_the_first_update_that_does_not_fit_is_refused_and_the_others_are_kept() {
    let yaml = "state_limit: 1KiB
nodes:
  a: {jq: '{a: (\"x\" * 600)}'}
  b: {jq: '{b: (\"x\" * 600)}', on_error: continue}
  c: {jq: '{c: 1}'}
  j: {needs: [a, b, c], jq: '{a: 1, b: .b}'}";
    assert_eq!(check(yaml, json!({})).await, r#"a b? c | j -> {"a":1,"c":1,"b":null}"#);
}

#[test]
fn an_input_that_is_too_large_is_refused() {
    let flow = flow("state_limit: 1KiB\nnodes:\n  a: {jq: '{}'}", &Log::default());
    let refused = flow.graph().accept_input(object(json!({"x": "x".repeat(2000)}))).unwrap_err();
    assert_eq!(refused.to_string(), "makes a state larger than its 1KiB (`state_limit`)");
}

#[test]
fn impossible_limits_are_refused_at_their_place() {
    let nodes = "\nnodes:\n  a: {jq: '{}'}";
    assert_eq!(
        problems(&format!("state_limit: 16 parsecs{nodes}")),
        "t.yaml:3:14: state_limit: `16 parsecs` is not a size; write bytes or a number with KB, MB, GB (powers of 1000), \
         KiB, MiB, GiB (powers of 1024)"
    );
    assert_eq!(
        problems(&format!("state_limit: -1{nodes}")),
        "t.yaml:3:14: state_limit: expected a size such as `16MiB`, found -1"
    );
    assert_eq!(
        problems(&format!("state_limit: 100\nstate: {{a: {{default: {:?}}}}}{nodes}", "x".repeat(200))),
        "t.yaml:3:1: state_limit: the defaults of `state` alone are larger than 100B"
    );
}
