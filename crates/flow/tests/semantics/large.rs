//! Flows of ten thousand nodes: they compile and run like small ones.

use std::fmt::Write;

use batchmill_flow::{AttemptEnd, ExecutionEngine, NodeSpec, StateGraph, node_fn};
use serde_json::{Value, json};

use crate::{
    check::{Attempts, check, object, parse},
    kinds::Log,
};

const NODES: usize = 10_000;

/// A flow whose nodes each add 1 to `n`.
fn counting(node: impl Fn(usize) -> String) -> String {
    let mut yaml = "state: {n: {reduce: add, default: 0}}\nnodes:\n".to_owned();
    for i in 0..NODES {
        writeln!(yaml, "  n{i}: {{jq: '{{n: 1}}'{}}}", node(i)).unwrap();
    }
    yaml
}

/// The state in which a run ended.
async fn end(yaml: &str) -> String {
    check(yaml, json!({})).await.split_once(" -> ").expect("an end").1.to_owned()
}

#[tokio::test]
async fn a_chain_of_ten_thousand_nodes_runs() {
    let needs = |i: usize| if i == 0 { String::new() } else { format!(", needs: n{}", i - 1) };
    assert_eq!(end(&counting(needs)).await, r#"{"n":10000}"#);
    let next = |i: usize| if i + 1 == NODES { String::new() } else { format!(", next: n{}", i + 1) };
    assert_eq!(end(&counting(next)).await, r#"{"n":10000}"#);
}

#[tokio::test]
async fn ten_thousand_nodes_at_once_run() {
    assert_eq!(end(&counting(|_| String::new())).await, r#"{"n":10000}"#);
}

#[tokio::test]
async fn a_join_of_ten_thousand_nodes_runs_once() {
    let mut yaml = counting(|_| String::new());
    let needs: Vec<_> = (0..NODES).map(|i| format!("n{i}")).collect();
    writeln!(yaml, "  j: {{needs: [{}], jq: '{{n: 1}}'}}", needs.join(", ")).unwrap();
    assert_eq!(end(&yaml).await, r#"{"n":10001}"#);
}

#[tokio::test]
async fn ten_thousand_joins_run() {
    let needs = |i: usize| match i {
        0 => String::new(),
        1 | 2 => ", needs: n0".to_owned(),
        _ => format!(", needs: [n{}, n{}]", i - 1, i / 2),
    };
    assert_eq!(end(&counting(needs)).await, r#"{"n":10000}"#);
}

#[tokio::test]
async fn of_ten_thousand_nodes_only_the_one_that_failed_runs_again() {
    let mut yaml = counting(|_| ", next: j".to_owned());
    yaml.push_str("  broken: {fail: transient, times: 1, next: j}\n  j: {jq: '{}'}\n");
    let attempts = Attempts::of(&yaml);
    let input = object(json!({}));
    assert!(matches!(attempts.attempt(1, &input, &[]).await, AttemptEnd::Failed(_)));
    assert_eq!(attempts.ran().split(' ').count(), NODES + 1);
    let AttemptEnd::Done { output, .. } = attempts.attempt(2, &input, &[]).await else { panic!("must end") };
    assert_eq!((attempts.ran().as_str(), output), ("broken j", json!({"n": 10_000})));
}

#[tokio::test]
async fn ten_thousand_nodes_of_a_builder_in_a_loop_run() {
    let mut graph = StateGraph::new("ring").max_steps(25_000).start(["n0"]);
    for i in 0..NODES {
        let node = node_fn(|state| json!({"n": state["n"].as_u64().unwrap_or(0) + 1}));
        graph = graph.node(format!("n{i}"), NodeSpec::from(node).next(format!("n{}", (i + 1) % NODES)));
    }
    let graph = graph.compile().unwrap();
    let error = ExecutionEngine::new().execute(&graph, object(json!({"n": 0}))).await.unwrap_err();
    assert_eq!(&*error.code, "max_steps");
}

#[test]
fn what_is_too_large_to_read_is_refused_with_the_limit() {
    let mut yaml = "nodes:\n".to_owned();
    for i in 0..60_000 {
        writeln!(yaml, "  n{i}: {{jq: '{{}}', needs: [a, b]}}").unwrap();
    }
    let problems = parse(&yaml, &Log::default()).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].message.contains("200000 values"), "{}", problems[0]);
    let nothing = |_: &batchmill_core::StateData| Value::Null;
    let graph = (0..1_000_001).fold(StateGraph::new("g"), |graph, i| graph.node(i.to_string(), node_fn(nothing)));
    let problems = graph.compile().unwrap_err();
    assert_eq!(problems[0].to_string(), "nodes: 1000001 nodes; a flow has at most 1000000");
}
