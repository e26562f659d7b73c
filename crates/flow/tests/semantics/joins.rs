//! Joins: when `needs` are met.

use serde_json::json;

use crate::check::check;

#[tokio::test]
async fn a_join_waits_for_all_its_needs() {
    let yaml = "nodes:
  a: {jq: '{a: 1}'}
  b: {jq: '{b: 1}', next: c}
  c: {jq: '{c: 1}'}
  j: {needs: [a, c], jq: '{j: (.a + .c)}'}";
    assert_eq!(check(yaml, json!({})).await, r#"a b | c | j -> {"a":1,"b":1,"c":1,"j":2}"#);
}

#[tokio::test]
async fn a_need_that_can_no_longer_come_is_not_waited_for() {
    let yaml = "nodes:
  a: {jq: '{}', next: [{when: .left, to: l}, {to: r}]}
  l: {jq: '{}'}
  r: {jq: '{}', next: r2}
  r2: {jq: '{}'}
  j: {needs: [l, r2], jq: '{}'}";
    assert_eq!(check(yaml, json!({"left": true})).await, r#"a | l | j -> {"left":true}"#);
    assert_eq!(check(yaml, json!({"left": false})).await, r#"a | r | r2 | j -> {"left":false}"#);
}

#[tokio::test]
async fn a_join_none_of_whose_needs_comes_is_skipped_and_so_is_what_follows() {
    let yaml = "nodes:
  a: {jq: '{}', next: [{when: .go, to: b}, {to: END}]}
  b: {jq: '{}', next: [c, d]}
  c: {jq: '{}'}
  d: {jq: '{}'}
  j: {needs: [c, d], jq: '{}', next: k}
  k: {jq: '{}'}";
    assert_eq!(check(yaml, json!({"go": false})).await, r#"a -> {"go":false}"#);
    assert_eq!(check(yaml, json!({"go": true})).await, r#"a | b | c d | j | k -> {"go":true}"#);
}

#[tokio::test]
async fn a_need_can_still_come_through_another_join_that_waits() {
    // `j` has `a`; `k` comes only after `k1` has joined `a` and the long way.
    let yaml = "nodes:
  a: {jq: '{}'}
  long: {jq: '{}', next: longer}
  longer: {jq: '{}'}
  k: {needs: [a, longer], jq: '{}'}
  j: {needs: [a, k], jq: '{}'}";
    assert_eq!(check(yaml, json!({})).await, "a long | longer | k | j -> {}");
}

#[tokio::test]
async fn joins_that_wait_for_each_other_all_run_when_nothing_is_scheduled() {
    let yaml = "max_steps: 9
start: [a, b]
nodes:
  a: {jq: '{}'}
  b: {jq: '{}'}
  j: {needs: [a, y], jq: '{seen: \"j\"}', next: [{when: false, to: x}, {to: END}]}
  k: {needs: [b, x], jq: '{}', next: [{when: false, to: y}, {to: END}]}
  x: {jq: '{}'}
  y: {jq: '{}'}"
        .replace("when: false", "when: 'false'");
    assert_eq!(check(&yaml, json!({})).await, r#"a b | j k -> {"seen":"j"}"#);
}

#[tokio::test]
async fn arrivals_reset_when_the_join_has_run_so_joins_work_inside_loops() {
    let yaml = "max_steps: 99
state: {runs: {reduce: add, default: 0}}
nodes:
  fork: {jq: '{}', next: [p, q]}
  p: {jq: '{}'}
  q: {jq: '{}', next: q2}
  q2: {jq: '{}'}
  j: {needs: [p, q2], jq: '{runs: 1}', next: [{when: '.runs < 3', to: fork}, {to: END}]}
start: fork";
    let round = "fork | p q | q2 | j";
    assert_eq!(check(yaml, json!({})).await, format!(r#"{round} | {round} | {round} -> {{"runs":3}}"#));
}

#[tokio::test]
async fn a_path_through_the_join_itself_is_not_waited_for() {
    // From `other`, the need `q` can be reached only through `j`: `j` must not wait for itself.
    let yaml = "max_steps: 20
start: [p, slow]
nodes:
  p: {jq: '{}'}
  slow: {jq: '{}', next: slower}
  slower: {jq: '{}', next: [{when: 'true', to: END}, {to: j}]}
  q: {jq: '{q: 1}'}
  j: {needs: [p, q], jq: '{}', next: [{when: .q, to: END}, {to: q}]}";
    assert_eq!(check(yaml, json!({})).await, r#"p slow | slower j | q | j -> {"q":1}"#);
}

#[tokio::test]
async fn a_join_that_a_next_names_runs_for_that_arrival_as_well() {
    let yaml = "nodes:
  a: {jq: '{}', next: j}
  b: {jq: '{}', next: b2}
  b2: {jq: '{}', next: b3}
  b3: {jq: '{}'}
  j: {needs: [b3, b2], jq: '{runs: 1}'}
state: {runs: {reduce: add}}";
    assert_eq!(check(yaml, json!({})).await, r#"a b | b2 j | b3 | j -> {"runs":2}"#);
}

#[tokio::test]
async fn a_join_that_is_named_and_met_in_one_superstep_runs_once() {
    let yaml = "nodes:
  a: {jq: '{}', next: j}
  b: {jq: '{}'}
  j: {needs: [a, b], jq: '{}'}";
    assert_eq!(check(yaml, json!({})).await, "a b | j -> {}");
}

#[tokio::test]
async fn a_single_need_runs_once_per_visit() {
    let yaml = "max_steps: 9
state: {n: {reduce: add, default: 0}}
start: a
nodes:
  a: {jq: '{n: 1}', next: [{when: '.n < 2', to: a}, {to: END}]}
  b: {needs: [a], jq: '{}'}";
    assert_eq!(check(yaml, json!({})).await, r#"a | a b | b -> {"n":2}"#);
}
