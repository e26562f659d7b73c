//! Nothing is clamped, and nothing runs of a batch that is not good.

use std::{sync::Arc, time::Duration};

use batchmill::{
    BatchError, BatchExecutor, Channel, Limit, NodeSpec, Options, Reduce, StateData, StateGraph, node_fn,
    retry_exponential::Exponential,
};
use serde_json::json;

use crate::{graph, job};

fn refused(settings: batchmill::BatchExecutorBuilder) -> String {
    settings.build().unwrap_err().to_string()
}

#[test]
fn settings_that_make_no_sense_are_refused_all_at_once() {
    let message = refused(BatchExecutor::builder().concurrency_limit(0).timeout(Duration::ZERO).max_attempts(0));
    for name in ["concurrency_limit", "timeout", "max_attempts"] {
        assert!(message.contains(name), "{name}: {message}");
    }
    assert!(refused(BatchExecutor::builder().progress_every(Duration::ZERO)).contains("progress_every"));
}

#[test]
fn a_limit_that_is_none_is_refused_with_its_name() {
    let limits = BatchExecutor::builder()
        .limit(Limit::of_all("a").concurrency(0).rate("0/m", 1))
        .limit(Limit::of_all("b"))
        .limit(Limit::of_all("b").breaker(1, Duration::from_secs(1)));
    let message = refused(limits);
    for words in [
        "limit.a.concurrency: must be at least 1",
        "limit.a.rate: a rate of 0",
        "limit.b: needs a concurrency",
        "another limit has this name",
    ] {
        assert!(message.contains(words), "{words}: {message}");
    }
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_with_its_job() {
    let graph = graph(NodeSpec::from(node_fn(|_| -> () { panic!("nothing may run") })));
    let executor =
        BatchExecutor::builder().limit(Limit::by("k", |_| Some(String::new())).concurrency(1)).build().unwrap();
    let message = executor.run(vec![job(&graph, 3)]).await.unwrap_err().to_string();
    assert!(message.contains("the key of the job `3` at 0 under the limit `k`: an id must not be empty"), "{message}");
}

#[test]
fn two_retry_settings_are_refused_because_one_would_be_ignored() {
    let message = refused(BatchExecutor::builder().max_attempts(2).retry(Arc::new(Exponential::default())));
    assert!(message.contains("only one of"), "{message}");
}

#[tokio::test]
async fn a_batch_is_refused_with_all_its_problems_before_anything_runs() {
    let touchy = node_fn(|_| -> () { panic!("nothing may run") });
    let sum = StateGraph::new("sum").channel("n", Channel::new(Reduce::Add).starting_as(0));
    let sum = Arc::new(sum.start(["only"]).node("only", touchy).compile().unwrap());
    let mut wrong = job(&sum, 2);
    wrong.input = StateData::from_iter([("n".to_owned(), json!("text"))]);
    let batch = vec![job(&sum, 7), job(&sum, 1), wrong, job(&sum, 7)];
    let error = BatchExecutor::builder().build().unwrap().run(batch).await.unwrap_err();
    let BatchError::Refused(problems) = &error else { panic!("{error}") };
    assert_eq!(problems.len(), 2);
    let message = error.to_string();
    assert!(message.contains("the graph `sum` refuses the input of job `2` at 2"), "{message}");
    assert!(message.contains("the jobs at 0 and 3 have the same id `7`"), "{message}");
}

#[tokio::test]
async fn wrong_retry_settings_of_a_node_are_refused() {
    let settings = Options::from_iter([("max_attemps".to_owned(), json!(2))]);
    let graph = graph(NodeSpec::from(node_fn(|_| ())).retry(settings));
    let error = BatchExecutor::builder().build().unwrap().run(vec![job(&graph, 0)]).await.unwrap_err();
    assert!(error.to_string().contains("max_attemps"), "{error}");
}

#[tokio::test]
async fn a_node_cannot_have_a_retry_budget_of_its_own() {
    let settings = Options::from_iter([("budget".to_owned(), json!({"burst": 5}))]);
    let graph = graph(NodeSpec::from(node_fn(|_| ())).retry(settings));
    let error = BatchExecutor::builder().build().unwrap().run(vec![job(&graph, 0)]).await.unwrap_err();
    assert!(error.to_string().contains("budget: bounds the batch as a whole"), "{error}");
}
