//! Time limits of nodes, on paused time.

use std::time::Duration;

use batchmill_core::{CancelReason, CancelSignal};
use batchmill_flow::{AttemptEnd, CLEAN_END};
use serde_json::json;
use tokio::time::Instant;

use crate::check::{Attempts, check, object, problems};

#[tokio::test(start_paused = true)]
async fn a_node_over_its_limit_is_dropped_at_once_if_it_does_not_listen() {
    let start = Instant::now();
    assert_eq!(
        check("nodes:\n  a: {hang: true, timeout: 2s}\n  b: {sleep: 1000}", json!({})).await,
        "a! b -> a timeout: node `a` did not end within its time limit of 2.0s"
    );
    assert_eq!(start.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_listens_may_end_by_itself_and_has_timed_out_all_the_same() {
    let attempts = Attempts::of("nodes:\n  a: {listen: true, timeout: 2s}");
    let start = Instant::now();
    assert_eq!(attempts.run(1, json!({})).await, ["a a ended cleanly -> timeout a"]);
    assert_eq!(start.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_listens_and_goes_on_is_dropped_after_the_time_for_a_clean_end() {
    #[derive(Debug)]
    struct Deaf;
    #[async_trait::async_trait]
    impl batchmill_core::Node for Deaf {
        async fn run(
            &self,
            _: &batchmill_core::StateData,
            context: batchmill_core::NodeContext<'_>,
        ) -> Result<batchmill_core::StateData, batchmill_core::NodeError> {
            let listening = context.cancel.cancelled();
            tokio::pin!(listening);
            loop {
                (&mut listening).await;
                // tidy: allow(sleeps): the node under test ignores its limit, and the clock is paused
                tokio::time::sleep(Duration::from_secs(3600)).await;
            }
        }
    }
    let graph = batchmill_flow::StateGraph::new("g")
        .node("deaf", batchmill_flow::NodeSpec::from(Deaf).timeout(Duration::from_secs(1)))
        .compile()
        .unwrap();
    let start = Instant::now();
    let error = batchmill_flow::ExecutionEngine::new().execute(&graph, object(json!({}))).await.unwrap_err();
    assert_eq!((&*error.code, error.node.as_deref()), ("timeout", Some("deaf")));
    assert_eq!(start.elapsed(), Duration::from_secs(1) + CLEAN_END);
}

#[tokio::test(start_paused = true)]
async fn the_default_limit_holds_for_nodes_without_their_own() {
    let yaml = "defaults: {timeout: 1s}\nnodes:\n  a: {hang: true}\n  b: {sleep: 1500, timeout: 2s}";
    let end = check(yaml, json!({})).await;
    assert_eq!(end, "a! b -> a timeout: node `a` did not end within its time limit of 1.0s");
}

#[tokio::test(start_paused = true)]
async fn an_end_that_happened_while_the_host_was_frozen_beats_the_limit() {
    let (tell, told) = tokio::sync::oneshot::channel::<()>();
    let told = std::sync::Mutex::new(Some(told));
    let node = batchmill_flow::async_node_fn(move |_| {
        let told = told.lock().unwrap().take();
        async move {
            if let Some(told) = told {
                let _ = told.await;
            }
            json!({"ended": true})
        }
    });
    let graph = batchmill_flow::StateGraph::new("g")
        .node("a", batchmill_flow::NodeSpec::from(node).timeout(Duration::from_secs(10)))
        .compile()
        .unwrap();
    let engine = batchmill_flow::ExecutionEngine::new();
    let run = engine.execute(&graph, object(json!({})));
    tokio::pin!(run);
    assert!(futures_util::poll!(&mut run).is_pending(), "the limit is armed");
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert!(futures_util::poll!(&mut run).is_pending(), "the limit fired late: one more look");
    tell.send(()).unwrap();
    assert_eq!(run.await.unwrap()["ended"], true);
}

#[tokio::test(start_paused = true)]
async fn cancellation_reaches_nodes_with_a_limit_of_their_own() {
    let attempts = Attempts::of("nodes:\n  a: {listen: true, timeout: 1h}");
    let (input, cancel) = (object(json!({})), attempts.cancel.clone());
    let (end, ()) = tokio::join!(attempts.attempt(1, &input, &[]), async {
        assert!(cancel.is_listened_to(), "the node listens, so somebody listens to the attempt's signal");
        cancel.cancel(CancelReason::Stop);
    });
    assert!(matches!(end, AttemptEnd::Stopped), "{end:?}");
    assert_eq!(attempts.ran(), "a a ended cleanly");
}

#[tokio::test(start_paused = true)]
async fn nobody_listens_on_behalf_of_a_node_that_does_not() {
    let mut attempts = Attempts::of("nodes:\n  a: {hang: true, timeout: 1h}");
    attempts.cancel = CancelSignal::new();
    let input = object(json!({}));
    let attempt = attempts.attempt(1, &input, &[]);
    tokio::pin!(attempt);
    assert!(futures_util::poll!(&mut attempt).is_pending());
    assert!(!attempts.cancel.is_listened_to());
}

#[test]
fn impossible_limits_are_refused() {
    assert_eq!(
        problems(
            "defaults: {timeout: 0s}\nnodes:\n  a: {jq: ., timeout: 0ms}\n  b: {jq: ., timeout: 5}\n  c: {jq: ., timeout: -1s}"
        ),
        "t.yaml:3:21: defaults.timeout: a time limit is longer than zero\n\
         t.yaml:5:23: nodes.a.timeout: a time limit is longer than zero\n\
         t.yaml:6:23: nodes.b.timeout: expected a duration with a unit, such as `30s`, found 5\n\
         t.yaml:7:23: nodes.c.timeout: `-1s` is not a duration; write a number with a unit, for example `200ms`, `30s`, `5m` or `1h 30m`"
    );
}

/// Takes as many milliseconds as the state says.
#[derive(Debug)]
struct Takes;

#[async_trait::async_trait]
impl batchmill_core::Node for Takes {
    async fn run(
        &self,
        state: &batchmill_core::StateData,
        _: batchmill_core::NodeContext<'_>,
    ) -> Result<batchmill_core::StateData, batchmill_core::NodeError> {
        let takes = Duration::from_millis(state["ms"].as_u64().unwrap());
        let _ = tokio::time::timeout(takes, std::future::pending::<()>()).await;
        Ok(batchmill_core::StateData::new())
    }
}

#[tokio::test(start_paused = true)]
async fn a_percentage_is_of_the_median_of_the_runs_that_succeeded() {
    let percent = std::num::NonZeroU32::new(300).unwrap();
    let graph = batchmill_flow::StateGraph::new("g")
        .default_timeout(Duration::from_secs(100))
        .node("takes", batchmill_flow::NodeSpec::from(Takes).timeout_percent(percent))
        .compile()
        .unwrap();
    let engine = batchmill_flow::ExecutionEngine::new();
    let run = async |ms: u64| {
        let start = Instant::now();
        let ended = engine.execute(&graph, object(json!({"ms": ms}))).await;
        (ended.map(drop).map_err(|error| error.code.into_owned()), start.elapsed().as_secs_f64())
    };
    assert_eq!(run(200_000).await, (Err("timeout".to_owned()), 100.0), "until ten have succeeded, the default holds");
    for ms in [2000, 2000, 2000, 2000, 90_000, 2000, 2000, 2000, 2000, 90_000] {
        assert!(run(ms).await.0.is_ok(), "{ms}");
    }
    let (ended, took) = run(50_000).await;
    assert_eq!(ended, Err("timeout".to_owned()));
    assert!((took - 6.0).abs() < 0.2, "three times two seconds, not {took}");
    assert!(run(5000).await.0.is_ok());
}

#[test]
fn percentages_are_read_and_refused_with_their_place() {
    let flow = |timeout: &str| format!("nodes:\n  a: {{jq: ., timeout: {timeout}}}");
    for bad in ["100%", "0%", "x%", "100001%"] {
        let said = problems(&flow(bad));
        assert_eq!(
            said,
            format!(
                "t.yaml:4:23: nodes.a.timeout: a percentage of the median must be from 101% to 100000%, found {bad}"
            )
        );
    }
    let outline = crate::check::flow(&flow("300%"), &Default::default()).graph().outline();
    assert_eq!(outline.nodes[0].timeout_percent.map(std::num::NonZeroU32::get), Some(300));
    let by_default = "defaults: {timeout: 250%}\nnodes:\n  a: {jq: .}\n  b: {jq: ., timeout: 5s}";
    let outline = crate::check::flow(by_default, &Default::default()).graph().outline();
    assert_eq!(outline.nodes[0].timeout_percent.map(std::num::NonZeroU32::get), Some(250));
    assert_eq!(outline.nodes[1].timeout_percent, None, "its own time stands above");
}
