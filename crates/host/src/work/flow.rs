//! A flow that is ready to run, and the place of everything in it.

use std::{env, path::Path, sync::Arc};

use batchmill_config::{Unreadable, read_bounded};
use batchmill_core::{BuildContext, Node, Problem};
use batchmill_flow::{CompiledGraph, FlowFile, NodeCatalog};
use batchmill_plugin::Registry;

use super::{Nodes, Processes};
use crate::{
    intake,
    problems::{Finding, Refusal},
    refusal,
};

/// A file that is longer is read no further.
const LENGTH_MAX: u64 = 64 * 1024 * 1024;

/// A checked flow.
#[derive(Debug)]
pub(crate) enum Flow {
    /// It was read from a file.
    File(FlowFile),
    /// It was made from a command.
    Made(Arc<CompiledGraph>),
}

impl Flow {
    /// Reads a flow file.
    pub(crate) fn read(path: &Path, registry: &Registry, processes: &Processes, nodes: Nodes) -> Result<Self, Refusal> {
        let name = path.display();
        if path.is_dir() {
            return Err(Refusal::data(format!("{name}: is a directory, not a flow")));
        }
        let text = read_bounded(path, LENGTH_MAX).map_err(|error| match error {
            Unreadable::Io(error) => intake::cannot_read(path, &error),
            Unreadable::TooLong => Refusal::data(format!("{name}: longer than a flow can be, 64 MiB")),
            Unreadable::NotUtf8 { good } => Refusal::data(format!("{name}: not UTF-8 from byte {} on", good.len() + 1)),
        })?;
        if text.trim().is_empty() {
            return Err(Refusal::data(format!("{name}: is empty; a flow has at least `version: 1` and `nodes`")));
        }
        let catalog = NodeCatalog::of(registry.all::<dyn Node>().clone(), surroundings(processes)?);
        let catalog = match nodes {
            Nodes::Built => catalog,
            Nodes::Checked => catalog.only_checks(),
        };
        let read = FlowFile::parse(&text, &name.to_string(), &catalog);
        read.map(Self::File).map_err(|problems| refusal::of_flow(&problems))
    }

    /// A flow that no file says.
    pub(crate) fn made(graph: CompiledGraph) -> Self {
        Self::Made(Arc::new(graph))
    }

    pub(crate) fn graph(&self) -> &Arc<CompiledGraph> {
        match self {
            Self::File(file) => file.graph(),
            Self::Made(graph) => graph,
        }
    }

    /// What the flow says of itself.
    pub(crate) fn description(&self) -> Option<&str> {
        match self {
            Self::File(file) => file.description(),
            Self::Made(_) => None,
        }
    }

    /// A problem that the host's retry policy has with settings number `number`, at its place.
    pub(crate) fn retry_problem(&self, number: usize, problem: &Problem) -> Finding {
        match self {
            Self::File(file) => Finding::of_flow(&file.retry_problem(number, problem)),
            Self::Made(_) => problem.to_string().into(),
        }
    }
}

/// What nodes may know while they are built: relative paths are relative to where the program was started.
pub(super) fn surroundings(processes: &Processes) -> Result<BuildContext, Refusal> {
    let directory = env::current_dir().map_err(|error| Refusal::storage(format!("the working directory: {error}")))?;
    let mut context = BuildContext::new(directory);
    context.nice = processes.nice;
    context.group = processes.group.clone();
    Ok(context)
}
