//! Flows of three nodes over one integer.

use std::{process::Command, sync::Arc};

use batchmill::{CheckpointMode, CompiledGraph};

use super::Suite;
use crate::{
    measure::{Bound, Case, Kind, Sample, Unit},
    sides::{
        Peer,
        library::{self, jq_chain, native_chain},
    },
    tools::{Need, Tools},
};

pub(super) const SUITE: Suite = Suite {
    name: "graphs",
    about: "flows of three nodes over one integer, through the batch executor",
    needs: &[Need::Peers, Need::Python],
    cases,
    only_by_name: false,
};

const LANGGRAPH: &str = "LangGraph, abatch";
const GRAPH_FLOW: &str = "graph-flow";
const NATIVE: &str = "batchmill, native nodes";
const CHECKPOINTS: &str = "batchmill, native nodes, checkpoints in memory";
const JQ: &str = "batchmill, jq in `set` nodes";

/// Enough of each for about a second or more: rates are compared, and their rates are far apart.
const LANGGRAPH_JOBS: u32 = 2000;
const JQ_JOBS: u32 = 50_000;
const JOBS: u32 = 200_000;

fn cases(tools: &Tools) -> Vec<Case> {
    let python = tools.path(Need::Python).map(|python| {
        let mut command = Command::new(python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/python/langgraph_chain.py"));
        command
    });
    let (langgraph, peers) = (Peer::new(python), Peer::new(tools.path(Need::Peers).map(Command::new)));
    vec![ten_at_once(langgraph, peers.clone()), thousand_at_once(peers)]
}

/// As many at once as LangGraph is fastest with.
fn ten_at_once(langgraph: Peer, peers: Peer) -> Case {
    Case::new("three nodes in a chain, 10 at a time", Unit::JobsPerSecond)
        .side(Kind::Outside, LANGGRAPH, LANGGRAPH_JOBS, move |jobs| langgraph.ask("abatch", jobs, 10))
        .side(Kind::Outside, GRAPH_FLOW, JOBS, move |jobs| peers.ask("graph-flow", jobs, 10))
        // As the peers do: none of them keeps checkpoints here.
        .side(Kind::Batchmill, NATIVE, JOBS, chain(native_chain(CheckpointMode::None), 10))
        .side(Kind::Batchmill, CHECKPOINTS, JOBS, chain(native_chain(CheckpointMode::Step), 10))
        .side(Kind::Batchmill, JQ, JQ_JOBS, chain(jq_chain(), 10))
        .goal(NATIVE, LANGGRAPH, Bound::AtLeast(250.0))
        .goal(NATIVE, GRAPH_FLOW, Bound::AtLeast(0.8))
        .goal(JQ, LANGGRAPH, Bound::AtLeast(25.0))
}

fn thousand_at_once(peers: Peer) -> Case {
    Case::new("three nodes in a chain, 1000 at a time", Unit::JobsPerSecond)
        .side(Kind::Outside, GRAPH_FLOW, JOBS, move |jobs| peers.ask("graph-flow", jobs, 1000))
        .side(Kind::Batchmill, NATIVE, JOBS, chain(native_chain(CheckpointMode::None), 1000))
        .goal(NATIVE, GRAPH_FLOW, Bound::AtLeast(0.8))
}

fn chain(graph: Arc<CompiledGraph>, at_once: u32) -> impl Fn(u32) -> Result<Sample, String> {
    move |jobs| library::run(&graph, jobs, at_once, |x| x + 3)
}
