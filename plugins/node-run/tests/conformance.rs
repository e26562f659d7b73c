//! What the `run` node promises, with real processes.

mod support;

#[path = "conformance/environment.rs"]
mod environment;
#[path = "conformance/exit.rs"]
mod exit;
#[path = "conformance/options.rs"]
mod options;
#[path = "conformance/output.rs"]
mod output;
#[path = "conformance/start.rs"]
mod start;
#[path = "conformance/stop.rs"]
mod stop;
