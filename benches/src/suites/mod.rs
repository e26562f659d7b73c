//! The suites. A new one is a file here with a `pub(super) const SUITE`, and a line in [`ALL`].

mod checkpoints;
mod durable;
mod durable_large;
mod graphs;
mod memory;
mod noop;
mod plugins;
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
    /// It takes too long for everybody: it runs where it is named.
    pub(crate) only_by_name: bool,
}

pub(crate) const ALL: &[Suite] = &[
    noop::SUITE,
    graphs::SUITE,
    spawn::SUITE,
    memory::SUITE,
    scheduler::SUITE,
    plugins::SUITE,
    checkpoints::SUITE,
    durable::SUITE,
    durable_large::SUITE,
];

/// Those that run where none is named.
pub(crate) fn usual() -> Vec<&'static Suite> {
    ALL.iter().filter(|suite| !suite.only_by_name).collect()
}

pub(crate) fn find(name: &str) -> Result<&'static Suite, String> {
    let names = || ALL.iter().map(|suite| suite.name).collect::<Vec<_>>().join(", ");
    ALL.iter().find(|suite| suite.name == name).ok_or_else(|| format!("unknown suite `{name}`; there are {}", names()))
}

/// All suites, a line each.
pub(crate) fn list() -> String {
    let line = |suite: &Suite| {
        let when = if suite.only_by_name { "; runs only where it is named" } else { "" };
        format!("  {:<13}  {}{when}\n", suite.name, suite.about)
    };
    ALL.iter().map(line).collect()
}
