//! What CI runs, in the order in which it fails soonest.

use crate::{
    crash, examples, plugin, sabotage,
    steps::{Failed, cargo, no_arguments, run, step},
    test, tidy,
};

type Step = (&'static str, fn() -> Result<(), Failed>);

const STEPS: &[Step] = &[
    ("lockfile", lockfile),
    ("fmt", fmt),
    ("tidy", || tidy::tidy(&[])),
    ("clippy", clippy),
    ("docs", || docs(&[])),
    ("test", || test::test(&[])),
    ("plugins", plugin::conform_all),
    ("examples", || examples::examples(&[])),
    ("crash", || crash::crash(&[])),
    ("terms", || crash::crash(&["--terms".to_owned(), "40".to_owned()])),
    ("sabotage", || sabotage::sabotage(&[])),
];

/// Runs every step, also after one has failed: one run shows everything that is wrong.
pub(crate) fn ci(arguments: &[String]) -> Result<(), Failed> {
    no_arguments(arguments)?;
    let failed: Vec<&str> =
        STEPS.iter().filter(|(name, run)| step(name, run).is_err()).map(|(name, _)| *name).collect();
    if failed.is_empty() {
        println!("all steps passed");
        Ok(())
    } else {
        Err(Failed(format!("these steps failed: {}", failed.join(", "))))
    }
}

/// `Cargo.lock` is committed and complete; afterwards nothing more is downloaded.
fn lockfile() -> Result<(), Failed> {
    run(&mut cargo(&["fetch", "--locked", "--target", env!("XTASK_PLATFORM")]))
}

fn fmt() -> Result<(), Failed> {
    run(&mut cargo(&["fmt", "--all", "--check"]))?;
    // A workspace of its own.
    run(&mut cargo(&["fmt", "--manifest-path", "benches/peers/Cargo.toml", "--check"]))
}

fn clippy() -> Result<(), Failed> {
    run(&mut cargo(&["clippy", "--workspace", "--all-targets", "--keep-going", "--quiet", "--", "-D", "warnings"]))?;
    // What a plain build leaves out.
    let whole = ["clippy", "--package", "batchmill-host", "--features", "postgres", "--quiet", "--", "-D", "warnings"];
    run(&mut cargo(&whole))
}

/// Builds the documentation of the workspace.
pub(crate) fn docs(arguments: &[String]) -> Result<(), Failed> {
    no_arguments(arguments)?;
    run(cargo(&["doc", "--workspace", "--no-deps", "--keep-going", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings"))
}
