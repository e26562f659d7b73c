//! Flows: graphs of nodes over a state, from YAML or a builder, and the engine that runs them.
//!
//! **What it is.** A [`StateGraph`] (built in Rust) or a [`FlowFile`] (read from YAML) compiles to a [`CompiledGraph`] of
//! flat arrays, checked as a whole with all problems at once. The [`ExecutionEngine`] runs it superstep by superstep:
//! what is ready runs at once, updates are merged by the reducers of the channels in declaration order, so that a run is
//! deterministic. A failed attempt keeps what its other nodes did; the next one runs only what is missing.
//!
//! **When to use it.** To run one graph once ([`ExecutionEngine::execute`]), to look at it step by step ([`Execution`]),
//! or to run attempts of jobs for somebody who decides about retries ([`ExecutionEngine::attempt`]).
//!
//! **What it deliberately does not do.** It decides nothing about retries and never waits for one, it spawns no task, and
//! it knows no kind of node: kinds come as factories in a [`NodeCatalog`].
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use batchmill_flow::{Arm, Channel, ExecutionEngine, NodeSpec, Reduce, StateGraph, node_fn};
//! use serde_json::json;
//!
//! let graph = StateGraph::new("collatz")
//!     .channel("seen", Channel::new(Reduce::Append))
//!     .max_steps(1000)
//!     .start(["step"])
//!     .node(
//!         "step",
//!         NodeSpec::from(node_fn(|state| {
//!             let n = state["n"].as_u64().unwrap_or(1);
//!             json!({"n": if n % 2 == 0 { n / 2 } else { 3 * n + 1 }, "seen": n})
//!         }))
//!         .branch([Arm::when(|state: &batchmill_core::StateData| state["n"] != 1, "step"), Arm::otherwise("END")]),
//!     )
//!     .compile()
//!     .unwrap();
//!
//! let json = json!({"n": 6});
//! let state = ExecutionEngine::new().execute(&graph, json.as_object().unwrap().clone()).await.unwrap();
//! assert_eq!(state["seen"], json!([6, 3, 10, 5, 16, 8, 4, 2]));
//! # }
//! ```

mod checkpointer_memory;
mod draw;
mod engine;
mod flow_file;
mod graph;
pub mod yaml;

/// Expressions, as flows have them.
pub use batchmill_expr as expr;
pub use checkpointer_memory::MemoryCheckpointer;
pub use draw::xml_text;
pub use engine::{
    AttemptEnd, AttemptRequest, CLEAN_END, Execution, ExecutionEngine, NodeRun, NodeTimer, RunEnd, StepContext, Stepped,
};
pub use flow_file::{FlowFile, FlowProblem, NodeCatalog};
pub use graph::{
    Arm, AsyncFnNode, Channel, CheckpointMode, CompiledGraph, Condition, Cost, Defaults, Edge, EdgeKind, FnNode,
    GraphProblem, InputProblem, InputProblems, IntoUpdate, Memory, Next, NodeOutline, NodeSpec, OnError, Outline,
    Reduce, StateGraph, Target, async_node_fn, node_fn,
};
