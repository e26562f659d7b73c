//! Nothing is left behind: one test in a process of its own, because it counts the descriptors and children of it.

mod support;

use std::{fs, sync::Arc};

use batchmill_core::{CancelReason, CancelSignal, Node};
use serde_json::json;
use support::{children, eventually, node, run_as};

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// 200 processes at once, each with its own input and output.
async fn crowd(node: &Arc<dyn Node>) {
    let runs: Vec<_> = (0..200)
        .map(|number| {
            let node = node.clone();
            tokio::spawn(async move {
                let id = format!("crowd-{number}");
                let update = run_as(node.as_ref(), json!({"n": number}), &id, &CancelSignal::new()).await.unwrap();
                assert_eq!(update["got"], format!("{number} {id}\n"));
            })
        })
        .collect();
    for run in runs {
        run.await.unwrap();
    }
}

/// Ends of every other kind: failures, stops, drops, too much output.
async fn mishaps() {
    for options in [
        json!({"run": ["no-such-program"]}),
        json!({"run": ["false"]}),
        json!({"run": ["yes"]}),
        json!({"run": ["sh", "-c", "kill -9 $$"]}),
    ] {
        run_as(node(options).as_ref(), json!({}), "mishap", &CancelSignal::new()).await.unwrap_err();
    }
    let sleeper = node(json!({"run": ["sleep", "1000"]}));
    for reason in [CancelReason::Timeout, CancelReason::Kill] {
        let cancel = CancelSignal::new();
        let order = async {
            eventually("it runs", || !support::alive("mishap").is_empty()).await;
            cancel.cancel(reason);
        };
        let (ended, ()) = tokio::join!(run_as(sleeper.as_ref(), json!({}), "mishap", &cancel), order);
        ended.unwrap_err();
    }
    // Dropped at every await that comes early.
    for polls in 0..20 {
        let cancel = CancelSignal::new();
        let mut run = Box::pin(run_as(sleeper.as_ref(), json!({}), "mishap", &cancel));
        for _ in 0..polls {
            tokio::select! {
                biased;
                _ = &mut run => panic!("it ended"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
}

/// Sets the most descriptors that this process may have and returns what it was.
fn limit_descriptors(most: &str) -> String {
    let prlimit = |arguments: &[&str]| {
        let pid = format!("--pid={}", std::process::id());
        let answer = std::process::Command::new("prlimit").arg(pid).args(arguments).output().unwrap();
        assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
        String::from_utf8(answer.stdout).unwrap().trim().to_owned()
    };
    let before = prlimit(&["--nofile", "--noheadings", "--raw", "--output=SOFT"]);
    prlimit(&[&format!("--nofile={most}:")]);
    before
}

/// Too few descriptors are an error of class resource; the next start with enough goes well.
async fn shortage(node: &Arc<dyn Node>) {
    // What `prlimit` itself will need to take the limit back.
    let spare: Vec<_> = (0..16).map(|_| fs::File::open("/dev/null").unwrap()).collect();
    // Room for one of the two pipes: the count itself had one descriptor open.
    let before = limit_descriptors(&(descriptors() + 1).to_string());
    let short = run_as(node.as_ref(), json!({"n": 1}), "short", &CancelSignal::new()).await;
    drop(spare);
    limit_descriptors(&before);
    let short = short.unwrap_err();
    assert_eq!((short.class.as_str(), &*short.code), ("resource", "spawn_resources"), "{}", short.message);
    run_as(node.as_ref(), json!({"n": 1}), "enough", &CancelSignal::new()).await.unwrap();
}

async fn nothing_is_left(descriptors_before: usize) {
    eventually("all children are reaped", || children().is_empty()).await;
    eventually("all descriptors are closed", || descriptors() == descriptors_before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_descriptor_no_zombie_and_no_process_is_left() {
    let options = json!({"run": "echo ${ .n } $BATCHMILL_JOB_ID", "shell": true, "output": "{got: .stdout}"});
    let node: Arc<dyn Node> = node(options).into();
    crowd(&node).await;
    let before = descriptors();
    crowd(&node).await;
    mishaps().await;
    nothing_is_left(before).await;
    shortage(&node).await;
    nothing_is_left(before).await;
}
