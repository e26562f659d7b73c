//! The workspace's own tasks. `cargo xtask` lists them.
//!
//! It depends on nothing of the product: what breaks the product must not break the tool that says so.

mod audit;
mod bench;
mod ci;
mod crash;
mod examples;
mod metadata;
mod plugin;
mod sabotage;
mod servers;
mod steps;
mod test;
mod tidy;

use std::{env, path::PathBuf, process::ExitCode};

use steps::Failed;

/// A verb, what it does, and the function that does it.
type Verb = (&'static str, &'static str, fn(&[String]) -> Result<(), Failed>);

const VERBS: &[Verb] = &[
    ("ci", "everything that CI runs: fmt, clippy, docs, test, tidy, examples", ci::ci),
    (
        "test",
        "all tests, by nextest where it is installed, and the doctests (arguments: -p PACKAGE, a filter)",
        test::test,
    ),
    ("tidy", "the rules of the house that rustc cannot check", tidy::tidy),
    ("docs", "the documentation of all crates, with warnings as errors", ci::docs),
    (
        "examples",
        "runs every example, as CI does; `guide`: only walks through docs/plugin-guide.md",
        examples::examples,
    ),
    (
        "audit",
        "audits the crates in your cargo registry, the main example (arguments: --limit N, -- FLAGS OF batchmill run)",
        audit::audit,
    ),
    (
        "crash",
        "kills a host again and again and checks what is left (arguments: --kills N, --jobs N, --seed N, --keep)",
        crash::crash,
    ),
    ("sabotage", "breaks each promise of durability and wants a test to notice (arguments: names)", sabotage::sabotage),
    (
        "plugin",
        "plugins as dynamic libraries: build [NAME…] makes them, conform [--valgrind] [NAME…] holds them against their contracts",
        plugin::plugin,
    ),
    ("bench", "runs the benchmarks in release (arguments go to them)", bench::bench),
];

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let Some(name) = arguments.next().filter(|name| name != "help" && name != "--help" && name != "-h") else {
        print!("{}", usage());
        return ExitCode::SUCCESS;
    };
    let Some((_, _, run)) = VERBS.iter().find(|(verb, _, _)| *verb == name) else {
        eprint!("unknown verb `{name}`\n\n{}", usage());
        return ExitCode::from(2);
    };
    match run(&arguments.collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed(why)) => {
            eprintln!("xtask {name}: {why}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> String {
    let verbs: String = VERBS.iter().map(|(name, about, _)| format!("    {name:<10}{about}\n")).collect();
    format!("cargo xtask VERB [ARGUMENTS]\n\n{verbs}")
}

/// The folder of the workspace.
fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}
