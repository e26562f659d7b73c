//! Each job has one result, whatever happens to it.

use std::sync::{Arc, Mutex};

use batchmill::{
    BatchError, BatchExecutor, BatchJobStatus, BatchStats, ErrorClass, FailedAttempt, FailureStrategy, NodeError,
    RetryDecision, RetryPolicy, async_node_fn, failure_halt, node_fn,
};
use serde_json::json;

use crate::{graph, job, jobs};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_come_in_submission_order() {
    let node = async_node_fn(|state| async move {
        let n = state["n"].as_u64().unwrap();
        // Later jobs end before earlier ones.
        for _ in 0..(n * 7919) % 13 {
            tokio::task::yield_now().await;
        }
        json!({"square": n * n})
    });
    let results = BatchExecutor::builder().build().unwrap().run(jobs(&graph(node), 1000)).await.unwrap();
    assert_eq!(results.len(), 1000);
    for (result, n) in results.iter().zip(0_u64..) {
        assert_eq!(result.job_id.as_str(), n.to_string());
        assert_eq!(result.output, Some(json!({"n": n, "square": n * n})));
        assert_eq!((result.status, result.attempts), (BatchJobStatus::Succeeded, 1));
    }
}

#[tokio::test]
async fn an_empty_batch_has_no_results() {
    let executor = BatchExecutor::builder().build().unwrap();
    assert_eq!(executor.run(Vec::new()).await, Ok(Vec::new()));
}

#[tokio::test]
async fn one_batch_mixes_graphs() {
    let double = graph(node_fn(|state| json!({"n": state["n"].as_u64().unwrap() * 2})));
    let negate = graph(node_fn(|state| json!({"n": -state["n"].as_i64().unwrap()})));
    let batch = (0..20).map(|n| job(if n % 2 == 0 { &double } else { &negate }, n)).collect();
    let results = BatchExecutor::builder().build().unwrap().run(batch).await.unwrap();
    for (result, n) in results.iter().zip(0_i64..) {
        let expected = if n % 2 == 0 { n * 2 } else { -n };
        assert_eq!(result.output, Some(json!({"n": expected})));
    }
}

#[tokio::test]
async fn a_panic_is_a_result_of_its_job_alone() {
    let node = node_fn(|state| {
        assert_ne!(state["n"], 3, "three is too much");
        json!({"fine": true})
    });
    let executor = BatchExecutor::builder().max_attempts(1).build().unwrap();
    let results = executor.run(jobs(&graph(node), 10)).await.unwrap();
    for (result, n) in results.iter().zip(0..) {
        if n == 3 {
            let error = result.error.as_ref().unwrap();
            assert_eq!((result.status, error.class), (BatchJobStatus::Failed, ErrorClass::Crash));
            assert!(error.to_string().contains("three is too much"), "{error}");
        } else {
            assert_eq!(result.status, BatchJobStatus::Succeeded);
        }
    }
}

#[tokio::test]
async fn the_failure_strategy_ends_what_has_not_started() {
    let node = node_fn(|state| match state["n"].as_u64() {
        Some(2) => Err(NodeError::permanent("bad", "no such order")),
        _ => Ok(()),
    });
    let halt = || -> Box<dyn FailureStrategy> {
        let rule: failure_halt::Rule = "soon,fail=1".parse().unwrap();
        Box::new(failure_halt::Halt::new(&failure_halt::Options::with_rules([&rule])).unwrap())
    };
    let executor = BatchExecutor::builder().concurrency_limit(1).failure(halt).build().unwrap();
    let results = executor.run(jobs(&graph(node), 5)).await.unwrap();
    use BatchJobStatus::{Failed, Skipped, Succeeded};
    assert_eq!(
        results.iter().map(|result| result.status).collect::<Vec<_>>(),
        [Succeeded, Succeeded, Failed, Skipped, Skipped]
    );
}

#[tokio::test]
async fn a_run_that_its_strategy_pauses_is_cancelled_since_nobody_could_let_it_go_on() {
    let pause = || -> Box<dyn FailureStrategy> {
        let rule: failure_halt::Rule = "pause,success=2".parse().unwrap();
        Box::new(failure_halt::Halt::new(&failure_halt::Options::with_rules([&rule])).unwrap())
    };
    let executor = BatchExecutor::builder().concurrency_limit(1).failure(pause).build().unwrap();
    let results = executor.run(jobs(&graph(node_fn(|_| ())), 4)).await.unwrap();
    use BatchJobStatus::{Cancelled, Succeeded};
    let statuses: Vec<_> = results.iter().map(|result| result.status).collect();
    assert_eq!(statuses, [Succeeded, Succeeded, Cancelled, Cancelled]);
}

#[tokio::test]
async fn the_end_is_told_as_progress_and_nothing_after_it() {
    let told: Arc<Mutex<Vec<BatchStats>>> = Arc::default();
    let heard = told.clone();
    let node = node_fn(|state| match state["n"].as_u64() {
        Some(0) => Err(NodeError::permanent("bad", "no such order")),
        _ => Ok(()),
    });
    let executor =
        BatchExecutor::builder().on_progress(move |stats| heard.lock().unwrap().push(*stats)).build().unwrap();
    executor.run(jobs(&graph(node), 50)).await.unwrap();
    let last = *told.lock().unwrap().last().unwrap();
    assert_eq!((last.total, last.succeeded, last.failed, last.completed()), (50, 49, 1, 50));
    assert_eq!((last.pending, last.running, last.recording, last.backing_off), (0, 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn progress_is_told_while_jobs_run() {
    let told: Arc<Mutex<Vec<BatchStats>>> = Arc::default();
    let heard = told.clone();
    let node = async_node_fn(|_| std::future::pending::<()>());
    let executor = BatchExecutor::builder()
        .max_attempts(1)
        .timeout(std::time::Duration::from_millis(3500))
        .on_progress(move |stats| heard.lock().unwrap().push(*stats))
        .build()
        .unwrap();
    executor.run(jobs(&graph(node), 1)).await.unwrap();
    let running: Vec<u64> = told.lock().unwrap().iter().map(|stats| stats.running).collect();
    assert_eq!(running, [1, 1, 1, 0], "at 1, 2 and 3 seconds, and at the end");
}

#[tokio::test]
async fn a_policy_that_panics_breaks_the_batch_off_and_says_why() {
    #[derive(Debug)]
    struct Careless;
    impl RetryPolicy for Careless {
        fn decide(&self, _: &FailedAttempt) -> RetryDecision {
            panic!("the policy divides by zero")
        }
    }
    let node = node_fn(|_| Err::<(), _>(NodeError::transient("busy", "come back later")));
    let executor = BatchExecutor::builder().retry(Arc::new(Careless)).build().unwrap();
    let error = executor.run(jobs(&graph(node), 20)).await.unwrap_err();
    let BatchError::BrokenOff { missing, reason } = &error else { panic!("{error}") };
    assert_eq!(*missing, 20);
    assert!(reason.contains("the policy divides by zero"), "{reason}");
}
