//! What every job of a batch does: a flow from a file, or one command.

mod command;
mod flow;

use std::path::PathBuf;

use batchmill_config::{Concurrency, HostConfig, Loaded};
use batchmill_core::ControlGroup;
use batchmill_plugin::Registry;
use serde_json::Value;

pub(crate) use command::Command;
pub(crate) use flow::Flow;

use crate::problems::Refusal;

/// What config says of the processes of a batch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Processes {
    /// How much they give way to others.
    pub(crate) nice: u8,
    /// Where they belong, once there is such a group.
    pub(crate) group: ControlGroup,
}

/// What becomes of the nodes of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nodes {
    /// They are made, to be run.
    Built,
    /// Their options are checked and nothing outside is touched: the flow is only looked at.
    Checked,
}

/// What a person wants done with each job.
#[derive(Debug)]
pub(crate) enum Work {
    /// The flow of a file.
    Flow(PathBuf),
    /// One process.
    Command(Command),
}

impl Work {
    /// Reads and checks it as a whole. Its processes run as config says.
    pub(crate) fn compile(&self, registry: &Registry, processes: &Processes, nodes: Nodes) -> Result<Flow, Refusal> {
        match self {
            Self::Flow(path) => Flow::read(path, registry, processes, nodes),
            Self::Command(command) => command.compile(registry, processes).map(Flow::made),
        }
    }

    /// What is compared when a batch of it goes on: a flow as parsed, a command as it is.
    pub(crate) fn canonical(&self, flow: &Flow) -> Value {
        match (self, flow) {
            (Self::Command(command), _) => command.canonical(),
            (Self::Flow(_), Flow::File(file)) => file.canonical(),
            (Self::Flow(_), Flow::Made(_)) => Value::Null,
        }
    }

    /// The host's config for it. A command fills the machine unless somebody says how many: `xargs` and `parallel` know no
    /// other unit than the CPU, and most commands that are run so compute.
    pub(crate) fn config(&self, loaded: &Loaded) -> HostConfig {
        let nobody_said = loaded.origins.given(&["executor", "concurrency"]).is_none();
        let mut config = loaded.config.clone();
        if matches!(self, Self::Command(_)) && nobody_said {
            config.executor.concurrency = Concurrency::Auto;
        }
        config
    }
}
