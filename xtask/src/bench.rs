//! The benchmarks, in a package of their own: builds them, prepares what the chosen suites need from outside, and runs
//! them. What can not be prepared here is skipped there, visibly.

mod prepare;

use std::process::Command;

use crate::{
    metadata::Workspace,
    steps::{Failed, cargo, run, shown},
};

/// The package, and its program.
const BENCHES: &str = "batchmill-benches";

/// The profile of what is measured.
const PROFILE: &str = "release";

/// The profile of a run whose numbers do not matter: that of the examples.
const QUICK_PROFILE: &str = "quick";

/// Runs them; arguments are theirs.
pub(crate) fn bench(arguments: &[String]) -> Result<(), Failed> {
    let workspace = Workspace::load()?;
    let measures =
        !arguments.iter().any(|argument| ["--quick", "--render", "--help", "-h"].contains(&argument.as_str()));
    let profile = if measures { PROFILE } else { QUICK_PROFILE };
    build(profile)?;
    let program = workspace.target.join(profile).join(BENCHES);
    let mut command = Command::new(&program);
    for need in needs(&program, arguments)? {
        let name = format!("BATCHMILL_BENCH_{}", need.to_uppercase());
        match prepare::prepare(&need, &workspace, profile) {
            Ok(path) => command.env(name, path),
            Err(Failed(why)) => {
                println!("not there: {need}: {why}");
                command.env(name + "_MISSING", why)
            }
        };
    }
    run(command.args(arguments))
}

/// One small round of the sides that need nothing from outside, so that the benchmarks can not rot.
pub(crate) fn smoke() -> Result<(), Failed> {
    bench(&["--quick".to_owned()])
}

/// Builds them together with the host: what both are made of is then built once.
pub(crate) fn build(profile: &str) -> Result<(), Failed> {
    run(&mut cargo(&["build", "--quiet", "--profile", profile, "--package", "batchmill-host", "--package", BENCHES]))
}

/// What the chosen suites need; wrong arguments are told here, before anything is prepared.
fn needs(program: &std::path::Path, arguments: &[String]) -> Result<Vec<String>, Failed> {
    let mut command = Command::new(program);
    command.args(arguments).arg("--needs");
    let output = command.output().map_err(|error| Failed(format!("{}: {error}", shown(&command))))?;
    if !output.status.success() {
        return Err(Failed::new(String::from_utf8_lossy(&output.stderr).trim_end()));
    }
    let mut needs: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    needs.sort();
    needs.dedup();
    Ok(needs)
}
