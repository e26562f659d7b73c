//! Runs every example, so that none of them only looks right.
//!
//! An example is a Rust program (an `[[example]]` of any package) or a script `*.sh` below `examples/`, which finds the
//! host binary in `$BATCHMILL` and the checkout in `$ROOT`; below `examples/plugins/` are plugins outside the workspace, with
//! such a script each. Each runs in an empty folder of its own. The guide for authors of plugins is walked through. The
//! benchmarks run too, so small that it takes seconds.

mod guide;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    bench,
    metadata::Workspace,
    steps::{Failed, cargo, is_ci, no_arguments, run},
};

/// The profile: optimised enough to be real, quick to build.
const PROFILE: &str = "quick";

/// Runs all of them, or only walks through the guide; the first that fails ends it.
pub(crate) fn examples(arguments: &[String]) -> Result<(), Failed> {
    let workspace = Workspace::load()?;
    if arguments == ["guide"] {
        bench::build(PROFILE)?;
        return walk(&workspace);
    }
    no_arguments(arguments)?;
    let programs = workspace.examples();
    let scripts = scripts(&crate::root().join("examples"))?;
    for (package, example) in &programs {
        println!("example {example} of {package}");
        build_program(package, example)?;
        run(Command::new(workspace.target.join(PROFILE).join("examples").join(example))
            .current_dir(fresh(&workspace, example)?))?;
    }
    bench::build(PROFILE)?;
    for script in &scripts {
        let place = script.strip_prefix(crate::root()).unwrap_or(script).display().to_string();
        println!("example {place}");
        let binary = workspace.target.join(PROFILE).join("batchmill");
        let folder = fresh(&workspace, &place.replace('/', "-"))?;
        run(Command::new("bash").arg(script).env("BATCHMILL", binary).env("ROOT", crate::root()).current_dir(folder))?;
    }
    walk(&workspace)?;
    println!("every benchmark, one small round");
    bench::smoke()?;
    println!("examples that ran: {} as programs, {} as scripts", programs.len(), scripts.len());
    let none = programs.is_empty() && scripts.is_empty();
    if none && is_ci() { Err(Failed::new("no example was found")) } else { Ok(()) }
}

fn walk(workspace: &Workspace) -> Result<(), Failed> {
    println!("docs/plugin-guide.md, command by command");
    guide::walk(&workspace.target.join(PROFILE), &fresh(workspace, "plugin-guide")?)
}

fn build_program(package: &str, example: &str) -> Result<(), Failed> {
    run(&mut cargo(&["build", "--quiet", "--profile", PROFILE, "--package", package, "--example", example]))
}

/// An empty folder to run in: an example must not rest on what another left.
fn fresh(workspace: &Workspace, name: &str) -> Result<PathBuf, Failed> {
    let folder = workspace.target.join("examples-run").join(name);
    let place = |error| Failed(format!("{}: {error}", folder.display()));
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(place)?;
    }
    fs::create_dir_all(&folder).map_err(place)?;
    Ok(folder)
}

/// The scripts below a folder, by name.
fn scripts(folder: &Path) -> Result<Vec<PathBuf>, Failed> {
    let mut found = Vec::new();
    if folder.is_dir() {
        for entry in fs::read_dir(folder).map_err(Failed::new)? {
            let path = entry.map_err(Failed::new)?.path();
            if path.is_dir() {
                found.extend(scripts(&path)?);
            } else if path.extension().is_some_and(|extension| extension == "sh") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
