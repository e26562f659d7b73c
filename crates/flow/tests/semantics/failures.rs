//! Failing nodes: siblings, `on_error`, panics.

use serde_json::json;

use crate::check::check;

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
