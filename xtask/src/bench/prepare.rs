//! What the benchmarks need from outside, by the names that they ask for.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    metadata::Workspace,
    plugin, servers,
    steps::{Failed, cargo, run},
};

/// The packages of the Python peer, with their versions.
const REQUIREMENTS: &str = "benches/peers/python/requirements.txt";

/// Makes sure that it is there, and says where.
pub(super) fn prepare(need: &str, workspace: &Workspace, profile: &str) -> Result<PathBuf, Failed> {
    match need {
        "host" => Ok(workspace.target.join(profile).join("batchmill")),
        "peers" => peers(workspace),
        "python" => python(&workspace.target.join("bench-python")),
        "parallel" => command("parallel", "parallel"),
        "postgres" => postgres(),
        "plugins" => plugin::build_for_benches(profile),
        other => Err(Failed(format!("nobody knows how to get `{other}`"))),
    }
}

/// A workspace of its own, built into the same folder.
fn peers(workspace: &Workspace) -> Result<PathBuf, Failed> {
    let manifest = crate::root().join("benches/peers/Cargo.toml");
    let mut command = cargo(&["build", "--quiet", "--release", "--locked", "--manifest-path"]);
    run(command.arg(manifest).arg("--target-dir").arg(&workspace.target))?;
    Ok(workspace.target.join("release/batchmill-bench-peers"))
}

/// A virtual environment with the packages of the Python peer; made anew where their list has changed.
fn python(folder: &Path) -> Result<PathBuf, Failed> {
    let (python, installed) = (folder.join("bin/python"), folder.join("installed.txt"));
    let at = |path: &Path, error| Failed(format!("{}: {error}", path.display()));
    let requirements = crate::root().join(REQUIREMENTS);
    let wanted = fs::read_to_string(&requirements).map_err(|error| at(&requirements, error))?;
    if fs::read_to_string(&installed).is_ok_and(|list| list == wanted) && python.exists() {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    run(Command::new(&python).args(pip).arg(requirements))?;
    // Last: it says that everything before it went well.
    fs::write(&installed, wanted).map_err(|error| at(&installed, error))?;
    Ok(python)
}

/// The folder of PostgreSQL's programs, which is installed like other servers that tests need.
fn postgres() -> Result<PathBuf, Failed> {
    if let Some(folder) = postgres_folder() {
        return Ok(folder);
    }
    servers::install();
    postgres_folder().ok_or_else(|| Failed::new("PostgreSQL's server is not installed: apt-get install postgresql"))
}

/// In the path or, as on Debian, in a folder a version: the latest.
fn postgres_folder() -> Option<PathBuf> {
    let in_path = found("initdb").and_then(|path| path.canonicalize().ok()?.parent().map(Path::to_owned));
    let entries = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = entries.map(|entry| entry.path().join("bin")).collect();
    versions.sort();
    let is_whole = |folder: &PathBuf| ["initdb", "pg_ctl", "postgres"].iter().all(|name| folder.join(name).is_file());
    in_path.into_iter().chain(versions.into_iter().rev()).find(is_whole)
}

/// A command of the system. Root on a Debian system gets it installed; anybody else is told how.
fn command(name: &str, package: &str) -> Result<PathBuf, Failed> {
    if let Some(path) = found(name) {
        return Ok(path);
    }
    let mend = || Failed(format!("`{name}` is not installed: apt-get install {package}"));
    if !is_root() || found("apt-get").is_none() {
        return Err(mend());
    }
    println!("installing {package} for {name}");
    let arguments = ["install", "-y", "-qq", "--no-install-recommends", package];
    run(Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))?;
    found(name).ok_or_else(mend)
}

fn found(name: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
