//! Runs batches of workflow jobs inside a Rust program.
//!
//! **What it is.** A [`BatchExecutor`] takes [`BatchJob`]s, each an input for a [`CompiledGraph`], and runs them with a
//! concurrency limit, retries with growing waits, a time limit an attempt, priorities that age, and a failure strategy.
//! [`run`](BatchExecutor::run) answers in submission order, [`stream`](BatchExecutor::stream) as jobs complete, with
//! back-pressure. Around it, this crate re-exports what such a program needs of the others: graphs, nodes, the engine,
//! checkpointers, and the traits for policies of your own.
//!
//! **When to use it.** To embed Batchmill. To run jobs from a shell, use the host program instead.
//!
//! **What it deliberately does not do.** It reads no config file and loads no plugin by name, it writes no results to disk,
//! and it installs no signal handler: those are parts of the host. It starts no runtime either: call it from tokio.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//!
//! use batchmill::{BatchExecutor, BatchJob, BatchJobStatus, JobId, NodeSpec, StateData, StateGraph, node_fn};
//! use serde_json::json;
//!
//! let square = node_fn(|state| json!({"y": state["x"].as_u64().map(|x| x * x)}));
//! let graph = StateGraph::new("square").start(["square"]).node("square", NodeSpec::from(square)).compile();
//! let graph = Arc::new(graph.expect("the graph is good"));
//!
//! let input = |x: u64| StateData::from_iter([("x".to_owned(), json!(x))]);
//! let jobs = (1..=100).map(|x| BatchJob::new(JobId::from(x), graph.clone(), input(x))).collect();
//!
//! let executor = BatchExecutor::builder().concurrency_limit(4).build()?;
//! let results = executor.run(jobs).await?;
//! assert_eq!(results[11].status, BatchJobStatus::Succeeded);
//! assert_eq!(results[11].output, Some(json!({"x": 12, "y": 144})));
//! # Ok(())
//! # }
//! ```

mod builder;
mod job;
mod limit;
mod policies;
mod progress;
mod result;
mod run;
mod stream;

pub use batchmill_core::{
    Adjustment, BatchCounts, BatchId, CancelReason, CancelSignal, Cancelled, Checkpoint, CheckpointError, CheckpointId,
    Checkpointer, ClassId, Directive, Draw, Entry, ErrorClass, FailedAttempt, FailureStrategy, FinalResult, Governor,
    IdError, JobError, JobId, JobInfo, LoadSample, MonoTime, Node, NodeContext, NodeError, Options, Pause,
    PendingWrite, Pick, Priority, QueuePosition, RetryBudget, RetryDecision, RetryPolicy, Scheduler, StateData,
    StopReason, Tenant, ThreadId, Token, Usage,
};
pub use batchmill_executor::Pauses;
pub use batchmill_failure_halt as failure_halt;
pub use batchmill_flow::{
    Arm, Channel, CheckpointMode, CompiledGraph, Condition, Defaults, Edge, EdgeKind, Execution, ExecutionEngine,
    FlowFile, FlowProblem, GraphProblem, InputProblem, InputProblems, IntoUpdate, MemoryCheckpointer, Next,
    NodeCatalog, NodeOutline, NodeSpec, OnError, Outline, Reduce, StateGraph, Target, async_node_fn, expr, node_fn,
};
pub use batchmill_governor_adaptive as governor_adaptive;
pub use batchmill_plugin::Registry;
pub use batchmill_retry_exponential as retry_exponential;
pub use batchmill_scheduler_priority as scheduler_priority;
pub use builder::{BatchExecutorBuilder, SettingsError};
pub use job::{BatchError, BatchJob, BatchProblem};
pub use limit::Limit;
pub use result::{BatchJobStatus, BatchResult, BatchStats};
pub use run::BatchExecutor;
pub use stream::BatchStream;
