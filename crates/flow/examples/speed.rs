//! How long a run of three native nodes takes: `cargo run --release -p batchmill-flow --example speed`.

use std::{hint::black_box, time::Instant};

use batchmill_core::StateData;
use batchmill_flow::{ExecutionEngine, NodeSpec, StateGraph, node_fn};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let step = || node_fn(|state: &StateData| StateData::from_iter([("n".to_owned(), json!(n(state) + 1))]));
    let graph = StateGraph::new("three")
        .node("a", NodeSpec::from(step()).next("b"))
        .node("b", NodeSpec::from(step()).next("c"))
        .node("c", step())
        .compile()
        .expect("a valid graph");
    let engine = ExecutionEngine::new();
    let runs = 1_000_000_u32;
    let start = Instant::now();
    for i in 0..runs {
        let input = StateData::from_iter([("n".to_owned(), json!(i))]);
        let state = engine.execute(&graph, input).await.expect("three sums");
        assert_eq!(n(&state), i64::from(i) + 3);
        black_box(state);
    }
    println!("{:.0} ns a run", start.elapsed().as_secs_f64() * 1e9 / f64::from(runs));
}

fn n(state: &StateData) -> i64 {
    state["n"].as_i64().unwrap_or_default()
}
