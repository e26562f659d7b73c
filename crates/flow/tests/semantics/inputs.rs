//! The input against the flow's schema.

use serde_json::json;

use crate::{
    check::{flow, object, problems},
    kinds::Log,
};

const FLOW: &str = "input:
  type: object
  required: [path]
  properties: {path: {type: string}, size: {type: integer, minimum: 0}, tags: {items: {type: string}}}
state: {size: {reduce: add, default: 1}}
nodes:
  a: {jq: '{}'}";

#[test]
fn an_input_that_matches_becomes_the_initial_state() {
    let flow = flow(FLOW, &Log::default());
    let state = flow.graph().accept_input(object(json!({"path": "x", "size": 2}))).unwrap();
    assert_eq!(json!(state).to_string(), r#"{"size":3,"path":"x"}"#);
}

#[test]
fn everything_that_does_not_match_is_told_with_its_json_pointer() {
    let flow = flow(FLOW, &Log::default());
    let problems = flow.graph().accept_input(object(json!({"size": -1, "tags": ["a", 1]}))).unwrap_err();
    let mut shown: Vec<_> = problems.0.iter().map(ToString::to_string).collect();
    shown.sort();
    assert_eq!(
        shown,
        [
            "\"path\" is a required property",
            "/size: -1 is less than the minimum of 0",
            "/tags/1: 1 is not of type \"string\"",
        ]
    );
}

#[test]
fn an_input_that_the_reducers_refuse_is_refused() {
    let flow = flow("state: {size: {reduce: add, default: 1}}\nnodes:\n  a: {jq: '{}'}", &Log::default());
    let refused = flow.graph().accept_input(object(json!({"size": "big"}))).unwrap_err();
    assert_eq!(refused.to_string(), "update of `size` (reduce: add): a number and a string cannot be added");
}

#[test]
fn a_schema_that_is_none_is_refused_at_its_place() {
    let found = problems("input: {type: object, properties: {n: {type: numbr}}}\nnodes:\n  a: {jq: '{}'}");
    assert!(found.starts_with("t.yaml:3:46: input.properties.n.type: not a JSON Schema: "), "{found}");
}
