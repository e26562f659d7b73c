//! How long a run of three nodes takes: `cargo run --release -p batchmill-flow --example speed`.

use std::{hint::black_box, time::Instant};

use batchmill_core::StateData;
use batchmill_flow::{
    CompiledGraph, ExecutionEngine, NodeSpec, StateGraph,
    expr::{Filter, Vars},
    node_fn,
};
use serde_json::json;

/// The best of so many rounds is shown: what disturbs a round only makes it slower.
const ROUNDS: usize = 3;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let native = three(|| node_fn(|state: &StateData| StateData::from_iter([("n".to_owned(), json!(n(state) + 1))])));
    measure("native", &native, StateData::new(), 300_000).await;
    measure("jq", &three(|| jq("{n: (.n + 1)}")), StateData::new(), 100_000).await;
    let list: Vec<_> = (0..1000).map(|i| json!({"name": format!("file-{i}"), "size": i})).collect();
    let beside = StateData::from_iter([("list".to_owned(), json!(list))]);
    measure("jq, 1,000 objects beside", &three(|| jq("{n: (.n + 1)}")), beside, 500).await;
    let path = StateData::from_iter([("path".to_owned(), json!("a/b/c.txt"))]);
    let branchy = "{n: (.n + 1), class: (if .n > 100000 then \"large\" else \"small\" end)}";
    measure("jq, a condition", &three(|| jq(branchy)), path, 100_000).await;
}

/// A node that does what a `set` node does.
fn jq(text: &str) -> NodeSpec {
    let filter = Filter::compile(text).expect("a valid expression");
    NodeSpec::from(node_fn(move |state: &StateData| {
        filter.run_one(state, &Vars::none()).map(Option::unwrap_or_default)
    }))
}

fn three<N: Into<NodeSpec>>(step: impl Fn() -> N) -> CompiledGraph {
    StateGraph::new("three")
        .node("a", step().into().next("b"))
        .node("b", step().into().next("c"))
        .node("c", step())
        .compile()
        .expect("a valid graph")
}

async fn measure(what: &str, graph: &CompiledGraph, beside: StateData, runs: u32) {
    let engine = ExecutionEngine::new();
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for i in 0..runs {
            let mut input = beside.clone();
            input.insert("n".to_owned(), json!(i));
            let state = engine.execute(graph, input).await.expect("three sums");
            assert_eq!(n(&state), i64::from(i) + 3);
            black_box(state);
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(runs));
    }
    println!("{what:<26} {best:>9.0} ns a run");
}

fn n(state: &StateData) -> i64 {
    state["n"].as_i64().unwrap_or_default()
}
