//! The suites. A new one is a file here with a `pub(super) const SUITE`, and a line in [`ALL`].

mod checkpoints;
mod graphs;
mod memory;
mod noop;
mod scheduler;
mod spawn;

use crate::{
    measure::Case,
    tools::{Need, Tools},
};

/// Cases that belong together. Together they take a few minutes at most.
#[derive(Debug)]
pub(crate) struct Suite {
    pub(crate) name: &'static str,
    /// What is measured, as a clause.
    pub(crate) about: &'static str,
    /// What it needs from outside to run all its sides.
    pub(crate) needs: &'static [Need],
    /// Makes its cases; called when its turn has come.
    pub(crate) cases: fn(&Tools) -> Vec<Case>,
}

pub(crate) const ALL: &[Suite] =
    &[noop::SUITE, graphs::SUITE, spawn::SUITE, memory::SUITE, scheduler::SUITE, checkpoints::SUITE];

pub(crate) fn find(name: &str) -> Result<&'static Suite, String> {
    let names = || ALL.iter().map(|suite| suite.name).collect::<Vec<_>>().join(", ");
    ALL.iter().find(|suite| suite.name == name).ok_or_else(|| format!("unknown suite `{name}`; there are {}", names()))
}

/// All suites, a line each.
pub(crate) fn list() -> String {
    ALL.iter().map(|suite| format!("  {:<10}  {}\n", suite.name, suite.about)).collect()
}
