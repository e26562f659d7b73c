//! Channels in a run; the reducers themselves are tested beside their code.

use serde_json::json;

use crate::check::{check, problems};

#[tokio::test]
async fn channels_start_as_their_default_or_identity() {
    let yaml = "state:
  total: {reduce: add, default: 5}
  list: {reduce: append}
  map: {reduce: merge}
  deep: {reduce: deep_merge}
  top: {reduce: max}
  low: {reduce: min}
  one: {default: x}
  sum: {reduce: add}
nodes:
  a: {jq: '{}'}";
    assert_eq!(check(yaml, json!({})).await, r#"a -> {"total":5,"list":[],"map":{},"deep":{},"one":"x"}"#);
}

#[tokio::test]
async fn updates_are_joined_by_the_reducer_of_their_channel() {
    let yaml = "state:
  total: {reduce: add, default: 5}
  list: {reduce: append}
  map: {reduce: merge}
  top: {reduce: max}
nodes:
  a: {jq: '{total: 1, list: 1, map: {x: 1}, top: 3, free: 1}'}
  b: {jq: '{total: 2, list: [2, 3], map: {y: 2}, top: 2}'}
  c: {needs: [a, b], jq: '{total: 0.5, free: 2}'}";
    assert_eq!(
        check(yaml, json!({})).await,
        r#"a b | c -> {"total":8.5,"list":[1,2,3],"map":{"x":1,"y":2},"top":3,"free":2}"#
    );
}

#[tokio::test]
async fn a_wrong_type_is_bad_update_and_leaves_the_state_alone() {
    for (reduce, update, why) in [
        ("add", "true", "expected a number or a string, found a boolean"),
        ("add", "null", "expected a number or a string, found null"),
        ("merge", "null", "expected an object, found null"),
        ("max", "null", "expected a number or a string, found null"),
        ("deep_merge", "null", "expected an object, found null"),
        ("min", "null", "expected a number or a string, found null"),
        ("min", "[]", "expected a number or a string, found a list"),
    ] {
        let yaml = format!("state: {{c: {{reduce: {reduce}}}}}\nnodes:\n  a: {{jq: '{{c: {update}}}'}}");
        assert_eq!(
            check(&yaml, json!({})).await,
            format!("a! -> a bad_update: update of `c` (reduce: {reduce}): {why}")
        );
    }
}

#[tokio::test]
async fn siblings_are_checked_against_each_other_before_anything_is_merged() {
    let yaml = "state: {c: {reduce: add}}
nodes:
  a: {jq: '{c: 1}'}
  b: {jq: '{c: \"x\"}'}";
    assert_eq!(
        check(yaml, json!({})).await,
        "a b! -> b bad_update: update of `c` (reduce: add): a number and a string cannot be added"
    );
    let sum = "state: {c: {reduce: add}}\nnodes:\n  a: {jq: '{c: 1.5e308}'}\n  b: {jq: '{c: 1.5e308}'}";
    assert!(check(sum, json!({})).await.ends_with("is too large for a number"));
    let lists = "state: {c: {reduce: append}}\nnodes:\n  a: {jq: '{c: 1}'}\n  b: {jq: '{c: \"x\"}'}";
    assert_eq!(check(lists, json!({})).await, r#"a b -> {"c":[1,"x"]}"#);
}

#[tokio::test]
async fn the_input_passes_through_the_reducers_onto_the_defaults() {
    let yaml = "state: {n: {reduce: add, default: 1}, l: {reduce: append}}\nnodes:\n  a: {jq: '{}'}";
    assert_eq!(check(yaml, json!({"n": 2, "l": 3, "x": null})).await, r#"a -> {"n":3,"l":[3],"x":null}"#);
    assert_eq!(
        check(yaml, json!({"n": "2"})).await,
        "! bad_update: update of `n` (reduce: add): a number and a string cannot be added"
    );
}

#[test]
fn wrong_channels_are_refused_at_their_places() {
    assert_eq!(
        problems(
            "state:\n  a: {reduce: sum}\n  b: {reduce: appnd}\n  c: {reduce: append, default: 1}\n  d: add\n  e: {defualt: 1}\nnodes:\n  n: {jq: '{}'}"
        ),
        "t.yaml:4:15: state.a.reduce: `sum` is none of the choices: replace | append | add | merge | deep_merge | max | min\n\
         t.yaml:5:15: state.b.reduce: `appnd` is none of the choices: did you mean `append`?\n\
         t.yaml:6:32: state.c.default: the default of `append` is a list, found a number\n\
         t.yaml:7:6: state.d: expected a map such as `{reduce: add, default: 0}`, found text\n\
         t.yaml:8:7: state.e.defualt: unknown key `defualt`, did you mean `default`?"
    );
}

#[tokio::test]
async fn null_is_a_value_for_replace_and_an_element_for_append() {
    let yaml = "state: {list: {reduce: append}}\nnodes:\n  a: {jq: '{list: null, plain: null}'}";
    assert_eq!(check(yaml, json!({"plain": 1})).await, r#"a -> {"list":[null],"plain":null}"#);
}

#[tokio::test]
async fn every_reducer_joins_the_updates_of_several_nodes_in_one_superstep() {
    for (reduce, first, second, joined) in [
        ("append", "1", "[2, 3]", "[1,2,3]"),
        ("add", "1", "2", "3"),
        ("add", "\"a\"", "\"b\"", "\"ab\""),
        ("merge", "{x: {p: 1}}", "{x: {q: 2}}", r#"{"x":{"q":2}}"#),
        ("deep_merge", "{x: {p: 1}}", "{x: {q: 2}}", r#"{"x":{"p":1,"q":2}}"#),
        ("max", "1", "2", "2"),
        ("min", "\"b\"", "\"a\"", "\"a\""),
    ] {
        let yaml = format!(
            "state: {{c: {{reduce: {reduce}}}}}\nnodes:\n  a: {{jq: '{{c: {first}}}'}}\n  b: {{jq: '{{c: {second}}}'}}"
        );
        assert_eq!(check(&yaml, json!({})).await, format!("a b -> {{\"c\":{joined}}}"), "{reduce}");
    }
}
