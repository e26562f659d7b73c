//! The benchmarks, in a package of their own.

use crate::steps::{Failed, cargo, run};

/// Runs them in release; arguments are theirs.
pub(crate) fn bench(arguments: &[String]) -> Result<(), Failed> {
    let mut command = cargo(&["run", "--quiet", "--release", "--package", "batchmill-benches", "--"]);
    run(command.args(arguments))
}
