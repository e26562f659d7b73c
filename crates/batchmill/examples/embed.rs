//! Orders are checked and priced side by side, joined, and routed: a few hundred jobs with priorities, a price service that
//! fails now and then, results as they come. Ends with an error if anything is not as it must be.
//!
//! `cargo run --package batchmill --example embed`

use std::{
    collections::HashSet,
    error::Error,
    sync::{Arc, Mutex},
    time::Duration,
};

use batchmill::{
    Arm, BatchExecutor, BatchJob, BatchJobStatus, Channel, CompiledGraph, JobId, NodeError, NodeSpec, Options,
    Priority, Reduce, StateData, StateGraph, async_node_fn, node_fn,
};
use futures_util::StreamExt;
use serde_json::json;

const ORDERS: u64 = 300;

/// `check` and `price` run at once; `decide` waits for both and sends large orders to a person.
fn order_flow() -> Result<CompiledGraph, Box<dyn Error>> {
    let seen = Mutex::new(HashSet::new());
    // Every third order finds the price service busy when it asks first.
    let price = async_node_fn(move |state: StateData| {
        let order = state["order"].as_u64().unwrap_or_default();
        let is_first = seen.lock().is_ok_and(|mut seen| seen.insert(order));
        async move {
            tokio::task::yield_now().await;
            match is_first && order.is_multiple_of(3) {
                true => Err(NodeError::transient("busy", "the price service is busy")),
                false => Ok(json!({"total": order * 10})),
            }
        }
    });
    let check = node_fn(|state| json!({"checked": state["order"].is_u64(), "trace": "checked"}));
    let decide = node_fn(|_| json!({"trace": "priced"}));
    let settings = json!({"max_attempts": 2, "delay": "1ms", "jitter": "none"});
    let settings: Options = settings.as_object().cloned().unwrap_or_default();
    let graph = StateGraph::new("order")
        .channel("trace", Channel::new(Reduce::Append))
        .start(["check", "price"])
        .node("check", check)
        .node("price", NodeSpec::from(price).retry(settings))
        .node(
            "decide",
            NodeSpec::from(decide).needs(["check", "price"]).branch([
                Arm::when(|state: &StateData| state["total"].as_u64() >= Some(2000), "ask"),
                Arm::otherwise("END"),
            ]),
        )
        .node("ask", node_fn(|_| json!({"trace": "asked"})))
        .compile();
    graph.map_err(|problems| format!("{problems:?}").into())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let graph = Arc::new(order_flow()?);
    let order = |number: u64| {
        let input = StateData::from_iter([("order".to_owned(), json!(number))]);
        let urgent = if number.is_multiple_of(10) { Priority(9) } else { Priority(0) };
        BatchJob::new(JobId::from(number), graph.clone(), input).with_priority(urgent)
    };
    let executor = BatchExecutor::builder()
        .concurrency_limit(8)
        .timeout(Duration::from_secs(10))
        .on_progress(|stats| println!("{} of {} orders", stats.completed(), stats.total))
        .build()?;

    let (mut succeeded, mut repeated, mut asked, mut first) = (0, 0, 0, None);
    let mut results = executor.stream((1..=ORDERS).map(order).collect())?;
    while let Some((place, result)) = results.next().await {
        first.get_or_insert(place);
        succeeded += u64::from(result.status == BatchJobStatus::Succeeded);
        repeated += u64::from(result.attempts == 2);
        let output = result.output.unwrap_or_default();
        asked += u64::from(output["trace"].as_array().is_some_and(|trace| trace.contains(&json!("asked"))));
    }
    println!("{succeeded} of {ORDERS} succeeded, {repeated} at the second attempt, {asked} go to a person");
    assert_eq!((succeeded, repeated, asked), (ORDERS, ORDERS / 3, 101));
    assert_eq!(first.map(|place| (place + 1) % 10), Some(0), "an urgent order comes first");
    Ok(())
}
