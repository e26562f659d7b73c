//! Results as they complete: each once, no faster than they are taken.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use batchmill::{BatchExecutor, FailureStrategy, Pause, async_node_fn, failure_halt, node_fn};
use futures_util::StreamExt;
use tokio::sync::Notify;

use crate::{graph, jobs};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_yields_every_place_once() {
    let executor = BatchExecutor::builder().build().unwrap();
    let mut stream = executor.stream(jobs(&graph(node_fn(|_| ())), 1000)).unwrap();
    let mut seen = vec![0; 1000];
    while let Some((place, result)) = stream.next().await {
        assert_eq!(result.job_id.as_str(), place.to_string());
        seen[place] += 1;
    }
    assert!(seen.iter().all(|times| *times == 1));
    assert_eq!((stream.left(), stream.stats().completed()), (0, 1000));
    assert!(stream.next().await.is_none(), "it stays at its end");
}

#[tokio::test]
async fn a_paused_stream_tells_why_and_goes_on_when_it_is_told() {
    let pause = || -> Box<dyn FailureStrategy> {
        let rule: failure_halt::Rule = "pause,success=2".parse().unwrap();
        Box::new(failure_halt::Halt::new(&failure_halt::Options::with_rules([&rule])).unwrap())
    };
    let executor = BatchExecutor::builder().concurrency_limit(1).failure(pause).build().unwrap();
    let mut stream = executor.stream(jobs(&graph(node_fn(|_| ())), 5)).unwrap();
    let (mut pauses, mut reasons, mut results) = (stream.pauses(), Vec::new(), 0);
    loop {
        tokio::select! {
            result = stream.next() => match result {
                Some(_) => results += 1,
                None => break,
            },
            pause = pauses.next() => if let Some(Pause::Rule(reason)) = pause {
                reasons.push(reason.message);
                stream.unpause();
            },
        }
    }
    assert_eq!(results, 5);
    assert_eq!(reasons, ["2 of 5 jobs succeeded", "2 of 5 jobs succeeded since the last pause"]);
}

/// Lets all other tasks of a current-thread runtime do what they can.
async fn let_others_run() {
    for _ in 0..20_000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_consumer_that_takes_nothing_stops_the_starts() {
    let started = Arc::new(AtomicUsize::new(0));
    let counted = started.clone();
    let node = node_fn(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let executor = BatchExecutor::builder().concurrency_limit(10).build().unwrap();
    let stream = executor.stream(jobs(&graph(node), 5000)).unwrap();
    let_others_run().await;
    let ahead = started.load(Ordering::SeqCst);
    assert!((256..=256 + 10).contains(&ahead), "the bound and what ran, found {ahead}");
    assert_eq!(stream.count().await, 5000, "and all of it comes once it is taken");
    assert_eq!(started.load(Ordering::SeqCst), 5000);
}

#[tokio::test]
async fn dropping_a_stream_cancels_its_batch() {
    struct Running(Arc<AtomicUsize>, Arc<Notify>);
    impl Drop for Running {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
            self.1.notify_one();
        }
    }
    let (started, running) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (begun, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let node = {
        let (started, running, begun, ended) = (started.clone(), running.clone(), begun.clone(), ended.clone());
        async_node_fn(move |_| {
            started.fetch_add(1, Ordering::SeqCst);
            running.fetch_add(1, Ordering::SeqCst);
            begun.notify_one();
            let guard = Running(running.clone(), ended.clone());
            async move {
                let _guard = guard;
                std::future::pending::<()>().await;
            }
        })
    };
    let executor = BatchExecutor::builder().concurrency_limit(4).build().unwrap();
    let graph = graph(node);
    let stream = executor.stream(jobs(&graph, 100)).unwrap();
    while running.load(Ordering::SeqCst) < 4 {
        begun.notified().await;
    }
    drop(stream);
    while running.load(Ordering::SeqCst) > 0 {
        ended.notified().await;
    }
    // Nothing of the batch is left: neither its mill nor its tasks hold the graph.
    while Arc::strong_count(&graph) > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(started.load(Ordering::SeqCst), 4, "nothing started after the drop");
}

#[tokio::test]
async fn a_cancelled_batch_still_has_all_its_results() {
    let executor = BatchExecutor::builder().concurrency_limit(4).build().unwrap();
    let node = async_node_fn(|_| std::future::pending::<()>());
    let stream = executor.stream(jobs(&graph(node), 100)).unwrap();
    stream.cancel();
    let results: Vec<_> = stream.collect().await;
    assert_eq!(results.len(), 100);
    assert!(results.iter().all(|(_, result)| result.status == batchmill::BatchJobStatus::Cancelled));
}
