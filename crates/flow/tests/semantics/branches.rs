//! Branches: `next` and its arms.

use serde_json::json;

use crate::check::{check, problems};

#[tokio::test]
async fn the_first_arm_that_matches_wins() {
    let yaml = "nodes:
  a: {jq: '{}', next: [{when: '.n > 10', to: big}, {when: '.n > 5', to: mid}, {to: small}]}
  big: {jq: '{}'}
  mid: {jq: '{}'}
  small: {jq: '{}'}";
    for (n, follows) in [(20, "big"), (7, "mid"), (1, "small")] {
        assert_eq!(check(yaml, json!({"n": n})).await, format!("a | {follows} -> {{\"n\":{n}}}"));
    }
}

#[tokio::test]
async fn when_sees_the_state_merged_after_the_superstep() {
    let yaml = "nodes:
  a: {jq: '{}', next: [{when: .late, to: c}, {to: END}]}
  b: {jq: '{late: true}'}
  c: {jq: '{}'}";
    assert_eq!(check(yaml, json!({})).await, r#"a b | c -> {"late":true}"#);
}

#[tokio::test]
async fn when_sees_input_and_job() {
    let yaml = "nodes:
  a: {jq: '{n: 0}', next: [{when: '$input.n == 1 and $job.id == \"job\" and $job.attempt == 1', to: b}]}
  b: {jq: '{}'}";
    assert_eq!(check(yaml, json!({"n": 1})).await, r#"a | b -> {"n":0}"#);
}

#[tokio::test]
async fn no_match_is_the_error_no_branch() {
    let yaml = "nodes:\n  a: {jq: '{}', next: [{when: .x, to: b}]}\n  b: {jq: '{}'}";
    assert_eq!(
        check(yaml, json!({})).await,
        "a -> a no_branch: no arm of `next` of node `a` matched; add one without `when`"
    );
}

#[tokio::test]
async fn a_condition_that_fails_is_an_error_of_its_node() {
    let yaml = "nodes:\n  a: {jq: '{}', next: [{when: '.x | error', to: b}]}\n  b: {jq: '{}'}";
    let end = check(yaml, json!({"x": "no"})).await;
    assert!(end.starts_with("a -> a expression_failed: no"), "{end}");
}

#[tokio::test]
async fn end_ends_the_path_not_the_job() {
    let yaml = "nodes:\n  a: {jq: '{}', next: END}\n  b: {jq: '{}', next: c}\n  c: {jq: '{c: 1}'}";
    assert_eq!(check(yaml, json!({})).await, r#"a b | c -> {"c":1}"#);
}

#[tokio::test]
async fn a_list_of_names_leads_to_all_of_them() {
    let yaml = "nodes:\n  a: {jq: '{}', next: [c, b]}\n  b: {jq: '{}'}\n  c: {jq: '{}'}";
    assert_eq!(check(yaml, json!({})).await, "a | b c -> {}");
}

#[tokio::test]
async fn several_arrivals_in_one_superstep_are_one_run_and_in_different_ones_one_each() {
    let yaml = "state: {runs: {reduce: add}}
nodes:
  a: {jq: '{}', next: [d, c]}
  b: {jq: '{}', next: d}
  c: {jq: '{}', next: d}
  d: {jq: '{runs: 1}'}";
    assert_eq!(check(yaml, json!({})).await, r#"a b | c d | d -> {"runs":2}"#);
}

#[tokio::test]
async fn a_node_with_next_may_be_needed_by_others_and_both_happen() {
    let yaml = "nodes:\n  a: {jq: '{}', next: b}\n  b: {jq: '{}'}\n  c: {needs: [a], jq: '{}'}";
    assert_eq!(check(yaml, json!({})).await, "a | b c -> {}");
}

#[test]
fn arms_that_can_never_match_are_refused() {
    assert_eq!(
        problems("nodes:\n  a: {jq: ., next: [{to: b}, {when: .x, to: END}]}\n  b: {jq: .}"),
        "t.yaml:4:21: nodes.a.next.0: an arm without `when` always matches: the arms below it never do"
    );
}
