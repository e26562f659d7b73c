//! Supersteps: what is ready runs at once, updates merge in declaration order.

use serde_json::json;

use crate::check::{check, problems};

#[tokio::test]
async fn entry_nodes_are_those_without_needs_that_no_next_names() {
    let yaml = "nodes:\n  a: {jq: '{a: 1}', next: b}\n  b: {jq: '{b: 1}'}\n  c: {jq: '{c: 1}'}";
    assert_eq!(check(yaml, json!({})).await, r#"a c | b -> {"a":1,"c":1,"b":1}"#);
}

#[tokio::test]
async fn start_names_the_entry_nodes() {
    let yaml = "start: b\nmax_steps: 3\nnodes:\n  a: {jq: '{a: 1}', next: [{when: .b, to: END}, {to: b}]}\n  b: {jq: '{b: 1}', next: a}";
    assert_eq!(check(yaml, json!({})).await, r#"b | a -> {"b":1,"a":1}"#);
}

#[tokio::test]
async fn updates_of_one_superstep_merge_in_declaration_order_whoever_ends_first() {
    let yaml = "state: {seen: {reduce: append}}\nnodes:\n  slow: {sleep: 50, next: END}\n  x: {jq: '{seen: \"x\"}'}\n  y: {jq: '{seen: [\"y\", .n]}'}";
    assert_eq!(check(yaml, json!({"n": 7})).await, r#"slow x y -> {"seen":["x","y",7],"n":7}"#);
}

#[tokio::test(start_paused = true)]
async fn ready_nodes_run_at_the_same_time() {
    let start = tokio::time::Instant::now();
    let yaml = "nodes:\n  a: {sleep: 1000}\n  b: {sleep: 1000}\n  c: {sleep: 1000}";
    assert_eq!(check(yaml, json!({})).await, "a b c -> {}");
    assert_eq!(start.elapsed().as_millis(), 1000);
}

#[tokio::test]
async fn two_writers_of_a_replace_channel_in_one_superstep_conflict() {
    let yaml = "nodes:\n  a: {jq: '{x: 1, y: 1}'}\n  b: {jq: '{z: 1}'}\n  c: {jq: '{x: 2}'}";
    assert_eq!(
        check(yaml, json!({})).await,
        "a b c! -> c conflicting_update: nodes `a` and `c` both wrote `x` in one superstep; give the channel a reducer \
         or run one after the other"
    );
}

#[tokio::test]
async fn no_on_error_makes_a_conflict_good() {
    let yaml = "nodes:\n  a: {jq: '{x: 1}'}\n  b: {jq: '{x: 2}', on_error: continue}";
    assert!(check(yaml, json!({})).await.starts_with("a b! -> b conflicting_update"));
}

#[tokio::test]
async fn an_update_is_one_object_and_null_or_nothing_is_none() {
    for (update, end) in [
        ("null", "a -> {\"n\":1}"),
        ("empty", "a -> {\"n\":1}"),
        ("{n: 2}", "a -> {\"n\":2}"),
        ("[1]", "a! -> a bad_update: an update is an object, not [1]"),
    ] {
        assert_eq!(check(&format!("nodes:\n  a: {{jq: '{update}'}}"), json!({"n": 1})).await, end);
    }
    let several = check("nodes:\n  a: {jq: '{n: 1}, {n: 2}'}", json!({})).await;
    assert!(several.starts_with("a! -> a bad_update: "), "{several}");
}

#[test]
fn a_flow_without_entry_node_is_refused() {
    assert_eq!(
        problems("max_steps: 9\nnodes:\n  a: {jq: ., next: b}\n  b: {jq: ., next: a}"),
        "t.yaml:4:1: nodes: no entry node: every node has a predecessor; name the first one with `start`"
    );
}
