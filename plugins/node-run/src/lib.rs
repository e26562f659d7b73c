//! The `run` node of flows: one process a visit.
//!
//! **What it is.** A [`Node`](batchmill_core::Node) that renders an argument list from the state, starts the process in
//! a group of its own with a small environment, reads what it writes within bounds, and makes an update of that with jq.
//! On a timeout or an order to stop the whole group ends: TERM, a second, KILL.
//!
//! **When to use it.** For every step that an existing program does. Where starting a process costs more than its work,
//! a pool of long-lived workers is the better kind of node.
//!
//! **What it deliberately does not do.** No shell unless `shell: true`; no retry, no time limit of its own (both are the
//! host's); no input on stdin (processes read nothing); no files kept. It runs on Linux only.
//!
//! It needs a tokio runtime with time and I/O enabled.
//!
//! ```
//! use batchmill_core::{BatchId, BuildContext, CancelSignal, JobId, JobInfo, Node, NodeContext};
//! use batchmill_plugin::Registry;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut registry = Registry::default();
//! batchmill_node_run::register(&mut registry);
//! let factory = registry.get::<dyn Node>("run")?;
//! let options: batchmill_core::Options = serde_json::from_str(
//!     r#"{"run": ["printf", "%s", "${ .path | ascii_upcase }"], "output": "{name: .stdout}"}"#,
//! )?;
//! let node = factory.build(&options, &BuildContext::default())?;
//!
//! let job = JobInfo::new(BatchId::new("b")?, JobId::from(1));
//! let state = serde_json::from_str(r#"{"path": "a b.txt"}"#)?;
//! let update = node.run(&state, NodeContext::new(&job, "shout", &state, &CancelSignal::new())).await?;
//! assert_eq!(update["name"], "A B.TXT");
//! # Ok(())
//! # }
//! ```

#[cfg(not(target_os = "linux"))]
compile_error!("batchmill-node-run uses process groups, pidfds and PR_SET_PDEATHSIG: it needs Linux");

mod argv;
mod environment;
mod exit_codes;
mod failure;
mod node;
mod oom;
mod options;
mod output;
mod process;
mod spawn;
mod text;

pub use environment::run_marker;
pub use node::register;
