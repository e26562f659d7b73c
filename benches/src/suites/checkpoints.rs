//! Flows of three nodes, with a checkpoint after every superstep in SQLite on a disk.

use std::process::Command;

use batchmill::CheckpointMode;

use super::Suite;
use crate::{
    measure::{Bound, Case, Kind, Unit},
    sides::{Peer, kept},
    tools::{Need, Tools},
};

pub(super) const SUITE: Suite = Suite {
    name: "checkpoints",
    about: "flows of three nodes, a checkpoint after every superstep, in SQLite on the disk",
    needs: &[Need::Python],
    cases,
    only_by_name: false,
};

/// Enough of each for about a second or more: rates are compared, and their rates are far apart.
const LANGGRAPH_JOBS: u32 = 100;
const STEP_JOBS: u32 = 50_000;
const SYNC_JOBS: u32 = 5000;

const LANGGRAPH_ASYNC: &str = "LangGraph, AsyncSqliteSaver, durability async";
const LANGGRAPH_SYNC: &str = "LangGraph, AsyncSqliteSaver, durability sync";
const STEP: &str = "batchmill, checkpoint: step, results recorded";
const STEP_SYNC: &str = "batchmill, checkpoint: step_sync, results recorded";

fn cases(tools: &Tools) -> Vec<Case> {
    let python = tools.path(Need::Python).map(|python| {
        let mut command = Command::new(python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/python/langgraph_chain.py"));
        command
    });
    let langgraph = Peer::new(python);
    [10, 1000]
        .into_iter()
        .flat_map(|at_once| [step(langgraph.clone(), at_once), step_sync(langgraph.clone(), at_once)])
        .collect()
}

/// The flow goes on while its checkpoints are written.
fn step(langgraph: Peer, at_once: u32) -> Case {
    Case::new(format!("written beside the next superstep, {at_once} at a time"), Unit::JobsPerSecond)
        .side(Kind::Outside, LANGGRAPH_ASYNC, LANGGRAPH_JOBS, move |jobs| langgraph.ask("async", jobs, at_once))
        .side(Kind::Batchmill, STEP, STEP_JOBS, move |jobs| kept::chain(CheckpointMode::Step, jobs, at_once))
        .goal(STEP, LANGGRAPH_ASYNC, Bound::AtLeast(100.0))
}

/// The flow waits for each.
fn step_sync(langgraph: Peer, at_once: u32) -> Case {
    Case::new(format!("written before the next superstep, {at_once} at a time"), Unit::JobsPerSecond)
        .side(Kind::Outside, LANGGRAPH_SYNC, LANGGRAPH_JOBS, move |jobs| langgraph.ask("sync", jobs, at_once))
        .side(Kind::Batchmill, STEP_SYNC, SYNC_JOBS, move |jobs| kept::chain(CheckpointMode::StepSync, jobs, at_once))
        .goal(STEP_SYNC, LANGGRAPH_SYNC, Bound::AtLeast(30.0))
}
