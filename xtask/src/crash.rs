//! The crash test: a host that is killed again and again, and a checker that counts what is left.

use std::process::Command;

use crate::{
    metadata::Workspace,
    steps::{Failed, cargo, run},
};

/// The program that kills and checks.
const TESTS: &str = "batchmill-tests";

/// Builds both, the host with its failpoints, and lets one kill the other; arguments are the killer's.
pub(crate) fn crash(arguments: &[String]) -> Result<(), Failed> {
    let workspace = Workspace::load()?;
    run(&mut cargo(&["build", "--quiet", "--package", TESTS]))?;
    run(&mut cargo(&["build", "--quiet", "--package", "batchmill-host", "--features", "faults"]))?;
    let folder = workspace.target.join("debug");
    // A name of its own: whoever builds the host without failpoints meanwhile does not get in between.
    let host = folder.join("batchmill-with-faults");
    std::fs::copy(folder.join("batchmill"), &host).map_err(|error| Failed(format!("{}: {error}", host.display())))?;
    run(Command::new(folder.join(TESTS)).arg("crash").arg("--binary").arg(host).args(arguments))
}
