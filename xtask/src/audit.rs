//! The audit of the README: what is in the crates of the user's own cargo registry.
//!
//! It makes a file of jobs, one a crate, lets `batchmill run` work on `examples/audit/flow.yaml`, and prints tables of the
//! results. The work itself is all in the flow.

mod arguments;
mod crates;
mod jobs;
mod results;
mod show;
mod table;

use std::{
    env, fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    process::{self, Command},
};

use crate::{
    metadata::Workspace,
    steps::{Failed, cargo, run, shown},
};
use arguments::Arguments;
use results::Audited;

/// The profile of the binary, that of the examples.
const PROFILE: &str = "quick";

/// Runs the audit and ends with batchmill's exit code.
pub(crate) fn audit(arguments: &[String]) -> Result<(), Failed> {
    let arguments = Arguments::parse(arguments)?;
    if arguments.help {
        println!("{}", arguments::USAGE);
        return Ok(());
    }
    let workspace = Workspace::load()?;
    let here = env::current_dir().map_err(Failed::new)?;
    let folder = arguments.into.clone().unwrap_or_else(|| from(&here, &workspace.target.join("audit")));

    // First, because on a fresh machine the build is what fills the registry.
    let binary = match &arguments.batchmill {
        Some(path) => path.clone(),
        None => built(&workspace)?,
    };
    let registry = crates::registry()?;
    let mut found = crates::unpacked(&registry)?;
    found.truncate(arguments.limit.unwrap_or(usize::MAX));
    let (jobs, results) = (folder.join("jobs.jsonl"), folder.join("results.jsonl"));
    write(&jobs, &jobs::lines(&found)?)?;
    let _ = writeln!(io::stdout(), "{} crates of {} are jobs in {}", found.len(), registry.display(), jobs.display());

    // Only results of this run are shown, whatever becomes of it.
    remove(&results)?;
    let mut command = Command::new(from(&here, &binary));
    command.arg("run").arg(from(&here, &crate::root().join("examples/audit/flow.yaml"))).arg(&jobs);
    command.arg("--output").arg(&results).arg("--overwrite");
    command.arg("--report").arg(folder.join("report.json")).args(&arguments.flags);
    let status = command.status().map_err(|error| Failed(format!("{}: {error}", shown(&command))))?;

    if results.is_file() {
        let audited = Audited::read(&fs::read_to_string(&results).map_err(|error| at(&results, error))?)
            .map_err(|error| at(&results, error))?;
        // Nobody reads a closed stdout, and the results are in their file.
        let text = format!("{}Every crate, with its checksum: {}\n", show::tables(&audited), results.display());
        let _ = io::stdout().write_all(text.as_bytes());
    }
    match status.code() {
        Some(0) => Ok(()),
        Some(code) => leave(code),
        None => Err(Failed(format!("`{}` failed: {status}", shown(&command)))),
    }
}

/// The exit code of this is that of the batch.
#[expect(clippy::exit, reason = "the other verbs only succeed or fail; nothing is open any more")]
fn leave(code: i32) -> ! {
    process::exit(code)
}

/// Builds the binary.
fn built(workspace: &Workspace) -> Result<PathBuf, Failed> {
    run(&mut cargo(&["build", "--profile", PROFILE, "--package", "batchmill-host"]))?;
    Ok(workspace.target.join(PROFILE).join("batchmill"))
}

/// A path as one would type it in the folder `here`.
fn from(here: &Path, path: &Path) -> PathBuf {
    path.strip_prefix(here).unwrap_or(path).to_owned()
}

fn write(path: &Path, text: &str) -> Result<(), Failed> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| at(folder, error))?;
    }
    fs::write(path, text).map_err(|error| at(path, error))
}

fn remove(path: &Path) -> Result<(), Failed> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path, error)),
        _ => Ok(()),
    }
}

/// What went wrong, and with which file.
fn at(path: &Path, error: impl std::fmt::Display) -> Failed {
    Failed(format!("{}: {error}", path.display()))
}
