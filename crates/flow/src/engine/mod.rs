//! Runs compiled graphs, superstep by superstep.

mod arrivals;
mod attempt;
mod commits;
mod execution;
mod giving_up;
mod guard;
mod keeper;
mod limit;
mod routing;
mod snapshot;
mod superstep;
mod timing;
mod whole;

pub use attempt::{AttemptEnd, AttemptRequest};
pub use execution::{Execution, NodeRun, RunEnd, StepContext, Stepped};
pub use limit::CLEAN_END;
pub use timing::NodeTimer;
pub use whole::ExecutionEngine;

pub(crate) use guard::crash;
