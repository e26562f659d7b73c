//! Graphs: built or read, checked as a whole, compiled to flat arrays.

mod builder;
mod channel;
mod compile;
mod compiled;
mod condition;
mod cost;
mod cycles;
mod edges;
mod input;
mod merge;
mod node_fn;
mod outline;
mod problem;
mod reach;
mod retry_table;
mod size;
mod spec;

pub use builder::{CheckpointMode, Defaults, StateGraph};
pub use channel::{Channel, Reduce};
pub use compiled::CompiledGraph;
pub use condition::Condition;
pub use cost::{Cost, Memory};
pub use input::{InputProblem, InputProblems};
pub use node_fn::{AsyncFnNode, FnNode, IntoUpdate, async_node_fn, node_fn};
pub use outline::{Edge, EdgeKind, NodeOutline, Outline};
pub use problem::GraphProblem;
pub use spec::{Arm, Next, NodeSpec, OnError, Target};

pub(crate) use compiled::{CompiledArm, CompiledNode, CompiledOnError, Feed};
pub(crate) use merge::UpdateCheck;
pub(crate) use reach::JoinPlans;
pub(crate) use size::size_of;
