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

#[tokio::test]
async fn the_three_forms_of_next_lead_where_they_say() {
    for (next, follows) in [
        ("b", " | b"),
        ("END", ""),
        ("[b, c]", " | b c"),
        ("[b, END]", " | b"),
        ("[{when: .no, to: b}, {to: c}]", " | c"),
        ("[{when: .no, to: b}, {to: END}]", ""),
    ] {
        // What the form under test does not name is reached when `.all` is set.
        let rest = "z: {jq: '{}', next: [{when: .all, to: b}, {when: .all, to: c}, {to: END}]}";
        let yaml =
            format!("nodes:\n  a: {{jq: '{{}}', next: {next}}}\n  b: {{jq: '{{}}'}}\n  c: {{jq: '{{}}'}}\n  {rest}");
        assert_eq!(check(&yaml, json!({})).await, format!("a z{follows} -> {{}}"), "{next}");
    }
}

#[tokio::test]
async fn the_job_reads_who_it_is() {
    let yaml = "nodes:\n  a: {jq: '{job: $job, input: $input, error: $error, item: $item}'}";
    assert_eq!(
        check(yaml, json!({"n": 1})).await,
        r#"a -> {"n":1,"job":{"id":"job","tenant":"default","priority":0,"attempt":1,"idempotency_key":"batch/job"},"input":{"n":1},"error":null,"item":null}"#
    );
}
