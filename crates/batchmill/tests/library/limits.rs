//! Limits have one meaning: running attempts, attempts in all, time of an attempt.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use batchmill::{
    BatchExecutor, BatchJob, BatchJobStatus, ErrorClass, Limit, Node, NodeContext, NodeError, NodeSpec, Options,
    Priority, StateData, async_node_fn, node_fn,
};
use serde_json::json;

use crate::{graph, job, jobs};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_attempts_run_at_once_than_the_limit_says() {
    let (now, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (counted, seen) = (now.clone(), most.clone());
    // Ten meet before any of them goes on: with a place unused nobody would ever.
    let meeting = Arc::new(tokio::sync::Barrier::new(10));
    let node = async_node_fn(move |_| {
        let (now, most, meeting) = (counted.clone(), seen.clone(), meeting.clone());
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            meeting.wait().await;
            tokio::task::yield_now().await;
            now.fetch_sub(1, Ordering::SeqCst);
        }
    });
    let executor = BatchExecutor::builder().concurrency_limit(10).build().unwrap();
    let results = executor.run(jobs(&graph(node), 500)).await.unwrap();
    assert!(results.iter().all(|result| result.status == BatchJobStatus::Succeeded));
    assert_eq!(most.load(Ordering::SeqCst), 10, "all places are used, and no more");
    assert_eq!(now.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_of_a_key_run_than_its_limit_says() {
    let most: Arc<[(AtomicU32, AtomicU32); 3]> = Arc::default();
    let seen = most.clone();
    let node = async_node_fn(move |state: StateData| {
        let seen = seen.clone();
        async move {
            let (now, most) = &seen[usize::try_from(state["n"].as_u64().unwrap() % 3).unwrap()];
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            now.fetch_sub(1, Ordering::SeqCst);
        }
    });
    let by = |job: &BatchJob| job.input["n"].as_u64().map(|n| (n % 3).to_string());
    let executor = BatchExecutor::builder().limit(Limit::by("n", by).concurrency(2)).build().unwrap();
    let graph = graph(node);
    let jobs = (0..300).map(|n| BatchJob::new(n, graph.clone(), StateData::from_iter([("n".to_owned(), json!(n))])));
    let results = executor.run(jobs.collect()).await.unwrap();
    assert!(results.iter().all(|result| result.status == BatchJobStatus::Succeeded));
    for (_, most) in &*most {
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)), "{most:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rate_spreads_starts_and_a_retry_after_holds_its_key_back() {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = runs.clone();
    let node = node_fn(move |_| match counted.fetch_add(1, Ordering::SeqCst) {
        0 => Err(NodeError::new(ErrorClass::Recoverable, "busy", "later").retry_after(Duration::from_secs(7))),
        _ => Ok(()),
    });
    let executor = BatchExecutor::builder().limit(Limit::of_all("all").rate("10/s", 1)).build().unwrap();
    let started = tokio::time::Instant::now();
    executor.run(jobs(&graph(node), 6)).await.unwrap();
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(7_500), "the first, 7 s of nothing, then six, one each 100 ms: {took:?}");
    assert_eq!(runs.load(Ordering::SeqCst), 7);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_always_fails_runs_exactly_max_attempts_times() {
    for attempts in [1, 2, 3, 7] {
        let runs = Arc::new(AtomicU32::new(0));
        let counted = runs.clone();
        let node = node_fn(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            Err::<(), _>(NodeError::transient("busy", "come back later"))
        });
        let executor = BatchExecutor::builder().max_attempts(attempts).build().unwrap();
        let results = executor.run(jobs(&graph(node), 1)).await.unwrap();
        assert_eq!(runs.load(Ordering::SeqCst), attempts);
        assert_eq!((results[0].attempts, results[0].status), (attempts, BatchJobStatus::Failed));
        assert_eq!(results[0].error.as_ref().unwrap().to_string(), "come back later");
    }
}

#[tokio::test(start_paused = true)]
async fn by_default_three_attempts_are_made() {
    let node = node_fn(|_| Err::<(), _>(NodeError::transient("busy", "come back later")));
    let results = BatchExecutor::builder().build().unwrap().run(jobs(&graph(node), 1)).await.unwrap();
    assert_eq!(results[0].attempts, 3);
}

/// Each graph of a mixed batch keeps the settings of its own nodes; what they do not say is the executor's.
#[tokio::test(start_paused = true)]
async fn retry_settings_of_a_node_go_over_those_of_the_executor() {
    let failing = |attempts: Option<u32>| {
        let node = NodeSpec::from(node_fn(|_| Err::<(), _>(NodeError::transient("busy", "come back later"))));
        graph(match attempts {
            Some(attempts) => node.retry(Options::from_iter([("max_attempts".to_owned(), json!(attempts))])),
            None => node,
        })
    };
    let graphs = [failing(Some(5)), failing(None), failing(Some(1)), failing(Some(4))];
    let batch = graphs.iter().zip(0..).map(|(graph, n)| job(graph, n)).collect();
    let results = BatchExecutor::builder().max_attempts(2).build().unwrap().run(batch).await.unwrap();
    assert_eq!(results.iter().map(|result| result.attempts).collect::<Vec<_>>(), [5, 2, 1, 4]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_times_out_has_really_ended() {
    struct Guard(Arc<AtomicU32>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let dropped = Arc::new(AtomicU32::new(0));
    let counted = dropped.clone();
    let node = async_node_fn(move |_| {
        let guard = Guard(counted.clone());
        async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        }
    });
    let executor = BatchExecutor::builder().max_attempts(2).timeout(Duration::from_secs(7)).build().unwrap();
    let start = tokio::time::Instant::now();
    let results = executor.run(jobs(&graph(node), 3)).await.unwrap();
    assert_eq!(dropped.load(Ordering::SeqCst), 6, "both attempts of all three jobs were dropped");
    assert!(start.elapsed() >= Duration::from_secs(14), "two whole limits passed, found {:?}", start.elapsed());
    for result in results {
        assert_eq!(result.status, BatchJobStatus::TimedOut);
        assert_eq!(result.error.unwrap().class, ErrorClass::Timeout);
    }
}

#[tokio::test]
async fn urgent_jobs_start_first() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let written = order.clone();
    let node = node_fn(move |state| written.lock().unwrap().push(state["n"].as_u64().unwrap()));
    let graph = graph(node);
    let priorities = [0, 7, 255, 7, 1];
    let batch =
        priorities.iter().zip(0..).map(|(priority, n)| job(&graph, n).with_priority(Priority(*priority))).collect();
    BatchExecutor::builder().concurrency_limit(1).build().unwrap().run(batch).await.unwrap();
    assert_eq!(*order.lock().unwrap(), [2, 1, 3, 4, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_told_to_end_has_time_to_clean_up() {
    #[derive(Debug)]
    struct Tidy(Arc<AtomicU32>);
    #[async_trait::async_trait]
    impl Node for Tidy {
        async fn run(&self, _: &StateData, context: NodeContext<'_>) -> Result<StateData, NodeError> {
            context.cancel.cancelled().await;
            // Takes two seconds, and it listens to nothing meanwhile.
            let _ = tokio::time::timeout(Duration::from_secs(2), std::future::pending::<()>()).await;
            self.0.fetch_add(1, Ordering::SeqCst);
            Err(NodeError::cancelled())
        }
    }
    let cleaned = Arc::new(AtomicU32::new(0));
    let graph = graph(NodeSpec::new(Arc::new(Tidy(cleaned.clone()))));
    let executor = BatchExecutor::builder().max_attempts(1).timeout(Duration::from_secs(7)).build().unwrap();
    let results = executor.run(jobs(&graph, 3)).await.unwrap();
    assert_eq!(cleaned.load(Ordering::SeqCst), 3);
    assert!(results.iter().all(|result| result.status == BatchJobStatus::TimedOut));
}

#[tokio::test(start_paused = true)]
async fn jobs_have_limits_on_their_wait_for_a_start_and_on_their_whole_time() {
    let forever = || async_node_fn(|_| std::future::pending::<()>());
    let limited = BatchExecutor::builder().concurrency_limit(1).max_attempts(1).timeout(Duration::from_secs(9));
    let executor = limited.queue_timeout(Duration::from_secs(5)).build().unwrap();
    let results = executor.run(jobs(&graph(forever()), 2)).await.unwrap();
    let codes: Vec<_> = results.iter().map(|result| result.error.as_ref().unwrap().code.to_string()).collect();
    assert_eq!(codes, ["timeout", "queue_timeout"]);
    assert!(results.iter().all(|result| result.status == BatchJobStatus::TimedOut));

    let executor = BatchExecutor::builder().job_timeout(Duration::from_secs(7)).build().unwrap();
    let results = executor.run(jobs(&graph(forever()), 1)).await.unwrap();
    assert_eq!((results[0].duration.as_secs(), &*results[0].error.as_ref().unwrap().code), (7, "job_timeout"));
}

#[tokio::test(start_paused = true)]
async fn a_governor_lets_the_limit_grow_while_nothing_speaks_against_it() {
    let (now, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (counted, seen) = (now.clone(), most.clone());
    let node = async_node_fn(move |_| {
        let (now, most) = (counted.clone(), seen.clone());
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let _ = tokio::time::timeout(Duration::from_millis(500), std::future::pending::<()>()).await;
            now.fetch_sub(1, Ordering::SeqCst);
        }
    });
    let mut options = batchmill::governor_adaptive::Options::default();
    options.max = 20;
    let make = move || Box::new(batchmill::governor_adaptive::Adaptive::new(options.clone()).unwrap()) as _;
    let executor = BatchExecutor::builder().concurrency_limit(8).governor(make.clone()).build().unwrap();
    let results = executor.run(jobs(&graph(node), 500)).await.unwrap();
    assert!(results.iter().all(|result| result.status == BatchJobStatus::Succeeded));
    assert_eq!(most.load(Ordering::SeqCst), 20);
    let refused = BatchExecutor::builder().concurrency_limit(21).governor(make).build().unwrap_err();
    assert_eq!(refused.to_string(), "concurrency_limit: 21 is outside 1..=20, the range of `governor`");
}
