//! The builder, and that it makes what a flow file makes.

use std::time::Duration;

use batchmill_core::{NodeError, StateData};
use batchmill_flow::{
    Arm, Channel, CheckpointMode, CompiledGraph, Condition, ExecutionEngine, NodeSpec, OnError, Reduce, StateGraph,
    async_node_fn, expr::Filter, node_fn,
};
use serde_json::{Value, json};

use crate::{
    check::{check, flow, object},
    kinds::{Log, node},
};

fn filter(text: &str) -> Filter {
    Filter::compile(text).unwrap()
}

/// A node that runs a jq expression, in Rust.
fn jq(text: &str) -> NodeSpec {
    let filter = filter(text);
    let none = batchmill_flow::expr::Vars::none();
    NodeSpec::from(node_fn(move |state: &StateData| filter.run_one(state, &none).map(Option::unwrap_or_default)))
}

#[tokio::test]
async fn builder_and_yaml_make_the_same_graph() {
    let yaml = "max_steps: 20
state: {seen: {reduce: append}, n: {reduce: add, default: 0}}
nodes:
  a: {jq: '{seen: \"a\", n: 1}', next: [b, c]}
  b: {jq: '{seen: \"b\", n: 1}'}
  c: {jq: 'error(\"no\")', on_error: {goto: d}}
  d: {jq: '{seen: \"d\", n: 1}', timeout: 1h}
  j: {needs: [b, d], jq: '{seen: \"j\"}', next: [{when: '.n < 6', to: b}, {to: END}]}";
    let graph = StateGraph::new("t")
        .max_steps(20)
        .channel("seen", Channel::new(Reduce::Append))
        .channel("n", Channel::new(Reduce::Add).starting_as(0))
        .node("a", jq("{seen: \"a\", n: 1}").next_all(["b", "c"]))
        .node("b", jq("{seen: \"b\", n: 1}"))
        .node("c", jq("error(\"no\")").on_error(OnError::Goto("d".into())))
        .node("d", jq("{seen: \"d\", n: 1}").timeout(Duration::from_secs(3600)))
        .node(
            "j",
            jq("{seen: \"j\"}")
                .needs(["b", "d"])
                .branch([Arm::when(|state: &StateData| state["n"].as_u64() < Some(6), "b"), Arm::otherwise("END")]),
        )
        .compile()
        .unwrap();
    let built = ExecutionEngine::new().execute(&graph, object(json!({}))).await.unwrap();
    let read = check(yaml, json!({})).await;
    assert_eq!(read.split_once(" -> ").unwrap().1, Value::Object(built).to_string());
    assert!(read.ends_with(r#"{"seen":["a","b","d","j","b","j","b","j","b","j"],"n":6}"#), "{read}");
}

/// The same flow, with every key, as YAML and by the builder.
#[test]
fn builder_and_yaml_compile_to_the_same_with_every_key() {
    let yaml = r#"
input: {type: object, required: [n]}
state:
  replaced: {reduce: replace, default: {any: thing}}
  appended: {reduce: append, default: [1]}
  added: {reduce: add, default: 0}
  merged: {reduce: merge}
  deep: {reduce: deep_merge}
  largest: {reduce: max}
  smallest: {reduce: min}
  plain: {}
defaults: {timeout: 5m, retry: {delay: 1s}}
checkpoint: step_sync
start: [a, b]
max_steps: 20
state_limit: 1MiB
output: '{added}'
nodes:
  a: {jq: '{added: 1}', next: [c, END], timeout: 30s, retry: 3}
  b: {jq: '{added: 2}', next: c, retry: {max_attempts: 5, jitter: none}}
  c: {fail: transient, needs: [a, b], on_error: {goto: d}}
  d: {jq: '{}', needs: c, on_error: continue, next: [{when: '.added > 3', to: a}, {when: '$input.n', to: END}, {to: e}]}
  e: {panic: true, on_error: {goto: END}, next: END}
  f: {jq: '{}', needs: [d], on_error: fail}
"#;
    let options = |json: &str| serde_json::from_str::<batchmill_core::Options>(json).unwrap();
    let log = Log::default();
    let node = |kind: &'static str, json: &str| NodeSpec::new(node(kind, &options(json), &log)).kind(kind);
    let when = |text: &str, to: &str| Arm::when(Condition::Filter(filter(text)), to);
    let graph = StateGraph::new("t")
        .input_schema(json!({"type": "object", "required": ["n"]}))
        .channel("replaced", Channel::new(Reduce::Replace).starting_as(json!({"any": "thing"})))
        .channel("appended", Channel::new(Reduce::Append).starting_as(json!([1])))
        .channel("added", Channel::new(Reduce::Add).starting_as(0))
        .channel("merged", Channel::new(Reduce::Merge))
        .channel("deep", Channel::new(Reduce::DeepMerge))
        .channel("largest", Channel::new(Reduce::Max))
        .channel("smallest", Channel::new(Reduce::Min))
        .channel("plain", Channel::default())
        .default_timeout(Duration::from_secs(300))
        .default_retry(options(r#"{"delay": "1s"}"#))
        .checkpoint(CheckpointMode::StepSync)
        .start(["a", "b"])
        .max_steps(20)
        .state_limit(1 << 20)
        .output(filter("{added}"))
        .node(
            "a",
            node("jq", r#"{"jq": "{added: 1}"}"#)
                .next_all(["c", "END"])
                .timeout(Duration::from_secs(30))
                .retry(options(r#"{"max_attempts": 3}"#)),
        )
        .node(
            "b",
            node("jq", r#"{"jq": "{added: 2}"}"#).next("c").retry(options(r#"{"max_attempts": 5, "jitter": "none"}"#)),
        )
        .node("c", node("fail", r#"{"fail": "transient"}"#).needs(["a", "b"]).on_error(OnError::Goto("d".into())))
        .node(
            "d",
            node("jq", r#"{"jq": "{}"}"#).needs(["c"]).on_error(OnError::Continue).branch([
                when(".added > 3", "a"),
                when("$input.n", "END"),
                Arm::otherwise("e"),
            ]),
        )
        .node("e", node("panic", r#"{"panic": true}"#).on_error(OnError::Goto("END".into())).next("END"))
        .node("f", node("jq", r#"{"jq": "{}"}"#).needs(["d"]).on_error(OnError::Fail))
        .compile()
        .unwrap();
    let read = flow(yaml, &Log::default());
    assert_eq!(format!("{:#?}", graph.outline()), format!("{:#?}", read.graph().outline()));
    assert_eq!(graph.retry_settings(), read.graph().retry_settings());
    let accepted = |graph: &CompiledGraph| json!(graph.accept_input(object(json!({"n": 1}))).unwrap()).to_string();
    assert_eq!(accepted(&graph), accepted(read.graph()));
    // The comparison sees a difference in any of them.
    let other = flow(&yaml.replace("timeout: 30s", "timeout: 31s"), &Log::default());
    assert_ne!(format!("{:#?}", graph.outline()), format!("{:#?}", other.graph().outline()));
}

#[tokio::test]
async fn closures_return_updates_in_many_forms() {
    let graph = StateGraph::new("forms")
        .node("value", node_fn(|state| json!({"a": state["n"]})))
        .node("nothing", node_fn(|_| ()))
        .node("object", node_fn(|_| StateData::from_iter([("b".to_owned(), json!(2))])))
        .node("result", node_fn(|_| Ok::<_, NodeError>(json!({"c": 3}))))
        .node(
            "future",
            async_node_fn(|state| async move {
                tokio::task::yield_now().await;
                json!({"d": state["n"]})
            }),
        )
        .compile()
        .unwrap();
    let state = ExecutionEngine::new().execute(&graph, object(json!({"n": 1}))).await.unwrap();
    assert_eq!(json!(state).to_string(), r#"{"n":1,"a":1,"b":2,"c":3,"d":1}"#);
}

#[tokio::test]
async fn an_error_of_a_run_names_its_node() {
    let graph = StateGraph::new("g").node("list", node_fn(|_| json!([1]))).compile().unwrap();
    let error = ExecutionEngine::new().execute(&graph, object(json!({}))).await.unwrap_err();
    assert_eq!((error.node.as_deref(), &*error.code), (Some("list"), "bad_update"));
}

#[test]
fn all_problems_of_a_graph_are_reported_at_once() {
    let problems = StateGraph::new("g")
        .channel("x", Channel::new(Reduce::Add))
        .channel("x", Channel::new(Reduce::Max))
        .max_steps(0)
        .default_timeout(Duration::ZERO)
        .node("a", NodeSpec::from(node_fn(|_| ())).next("b"))
        .node("a", NodeSpec::from(node_fn(|_| ())).branch([]))
        .compile()
        .unwrap_err();
    let shown: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "max_steps: must be at least 1",
            "state.x: the channel is declared twice",
            "defaults.timeout: a time limit is longer than zero",
            "nodes.a: two nodes have this name",
            "nodes.a.next.0: unknown node `b`",
            "nodes.a.next: a branch has at least one arm",
        ]
    );
}
