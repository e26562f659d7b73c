//! A node from its options, run on a state.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::{fs, path::Path, time::Duration};

use batchmill_core::{
    BatchId, BuildContext, BuildError, CancelSignal, Factory, JobId, JobInfo, Node, NodeContext, NodeError, Options,
    StateData,
};
use batchmill_plugin::Registry;
use serde_json::Value;

pub(crate) fn object(value: Value) -> StateData {
    let Value::Object(object) = value else { panic!("{value} is not an object") };
    object
}

pub(crate) fn with_factory<T>(act: impl FnOnce(&dyn Factory<dyn Node>) -> T) -> T {
    let mut registry = Registry::default();
    batchmill_node_run::register(&mut registry);
    act(registry.get::<dyn Node>("run").unwrap().as_ref())
}

pub(crate) fn build_in(options: Value, directory: &Path) -> Result<Box<dyn Node>, BuildError> {
    let options: Options = object(options);
    with_factory(|factory| factory.build(&options, &BuildContext::new(directory)))
}

pub(crate) fn node(options: Value) -> Box<dyn Node> {
    build_in(options, Path::new("")).unwrap()
}

/// What `validate` says, `path @offset: message` a line.
pub(crate) fn problems(options: Value) -> Vec<String> {
    let found = with_factory(|factory| factory.validate(&object(options))).err().unwrap_or_default();
    found
        .iter()
        .map(|problem| match problem.offset {
            Some(offset) => format!("{} @{offset}: {}", problem.path.join("."), problem.message),
            None => problem.to_string(),
        })
        .collect()
}

pub(crate) fn job(id: &str) -> JobInfo {
    JobInfo::new(BatchId::new("batch").unwrap(), JobId::new(id).unwrap())
}

/// Runs `node` as job `id` until it ends or `cancel` ends it.
pub(crate) async fn run_as(
    node: &dyn Node,
    state: Value,
    id: &str,
    cancel: &CancelSignal,
) -> Result<StateData, NodeError> {
    let (job, state) = (job(id), object(state));
    node.run(&state, NodeContext::new(&job, "step", &state, cancel)).await
}

pub(crate) async fn run_on(options: Value, state: Value) -> Result<Value, NodeError> {
    run_as(node(options).as_ref(), state, "1", &CancelSignal::new()).await.map(Value::Object)
}

pub(crate) async fn run(options: Value) -> Result<Value, NodeError> {
    run_on(options, Value::Object(StateData::new())).await
}

/// `class code: message`.
pub(crate) async fn error(options: Value) -> String {
    let error = run(options).await.unwrap_err();
    format!("{} {}: {}", error.class, error.code, error.message)
}

/// The processes that were started for job `id`, by the mark in their environment; zombies have none.
pub(crate) fn alive(id: &str) -> Vec<u32> {
    let mark = format!("BATCHMILL_JOB_ID={id}\0");
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    processes
        .filter(|pid: &u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.windows(mark.len()).any(|part| part == mark.as_bytes())
        })
        .collect()
}

/// The children of this process, zombies too.
pub(crate) fn children() -> Vec<u32> {
    let me = std::process::id();
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    processes
        .filter(|pid: &u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
            after_name.split(' ').nth(1).and_then(|parent| parent.parse().ok()) == Some(me)
        })
        .collect()
}

/// Does work for which no time passes, however long the machine takes: no limit of time falls due meanwhile. What waits for one is
/// never done, and the test fails.
pub(crate) async fn while_time_stands<T>(what: &str, work: impl Future<Output = T>) -> T {
    let turns = async {
        for _ in 0..20_000 {
            // tidy: allow(sleeps): the time of the machine, in which processes go on; tokio's stands while there is something to do
            std::thread::sleep(Duration::from_millis(1));
            tokio::task::yield_now().await;
        }
    };
    tokio::time::pause();
    let done = tokio::select! {
        biased;
        done = work => done,
        () = turns => panic!("never: {what}"),
    };
    tokio::time::resume();
    done
}

/// Waits for what real processes bring about, where time stands.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

/// Waits for a condition that processes bring about.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..4000 {
        if condition() {
            return;
        }
        // tidy: allow(sleeps): a look at a condition that real processes bring about without a signal
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}
