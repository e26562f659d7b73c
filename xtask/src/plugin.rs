//! Plugins as dynamic libraries: built from the source that links statically, and held against the same contracts.

mod valgrind;

use std::{env, fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command};

use crate::steps::{Failed, cargo, run, shown};

/// The kinds that the ABI has, as the folders below `plugins/` begin, and what `plugin check` needs to know of them.
const FAMILIES: &[(&str, &[&str])] =
    &[("scheduler-", &[]), ("retry-", &[]), ("failure-", &[]), ("governor-", &[]), ("sink-", &[])];

/// What single plugins need to be made. What is no JSON Lines cannot be read back here: the plugin's own tests do that.
const NEEDS: &[(&str, &[&str])] = &[
    ("sink-aggregate", &["--options", "{\"path\": \"{dir}/sums.json\", \"aggregates\": [{\"name\": \"all\"}]}"]),
    ("sink-csv", &["--options", "{\"path\": \"{dir}/results.csv\"}"]),
    ("sink-jsonl", &["--options", "{\"path\": \"{dir}/results.jsonl\"}", "--stored", "{dir}/results.jsonl"]),
];

/// `plugin build [NAME…]`, `plugin conform [--valgrind] [NAME…]`: of all plugins that the ABI has a kind for, unless some are
/// named.
pub(crate) fn plugin(arguments: &[String]) -> Result<(), Failed> {
    let usage = || Failed("build [NAME…], or conform [--valgrind] [NAME…]; NAME is a folder below plugins/".into());
    let (verb, names) = arguments.split_first().ok_or_else(usage)?;
    match (verb.as_str(), names) {
        ("build", names) => {
            let files = build(&choose(names)?, PROFILE)?;
            files.iter().for_each(|file| println!("{}", file.display()));
            Ok(())
        }
        ("conform", [flag, names @ ..]) if flag == "--valgrind" => valgrind::conform(&choose(names)?),
        ("conform", names) => conform(&choose(names)?),
        _ => Err(usage()),
    }
}

/// Every plugin, in CI; one of each kind under valgrind too.
pub(crate) fn conform_all() -> Result<(), Failed> {
    conform(&choose(&[])?)?;
    valgrind::conform(&valgrind::IN_CI.map(str::to_owned))
}

fn choose(names: &[String]) -> Result<Vec<String>, Failed> {
    let entries = fs::read_dir(crate::root().join("plugins")).map_err(Failed::new)?;
    let mut all: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    all.retain(|name| FAMILIES.iter().any(|(family, _)| name.starts_with(family)));
    all.sort();
    match names.iter().find(|name| !all.contains(name)) {
        Some(unknown) => Err(Failed(format!("no plugin `{unknown}` that can be loaded; there are {}", all.join(", ")))),
        None if names.is_empty() => Ok(all),
        None => Ok(names.to_vec()),
    }
}

/// Where dynamic libraries are put: nobody else may write there.
fn folder(profile: &str) -> PathBuf {
    target().join("plugins").join(profile)
}

fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| crate::root().join("target"), PathBuf::from)
}

/// The profile of what is only to be right.
const PROFILE: &str = "quick";

fn build(names: &[String], profile: &str) -> Result<Vec<PathBuf>, Failed> {
    let folder = folder(profile);
    fs::create_dir_all(&folder).map_err(Failed::new)?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).map_err(Failed::new)?;
    names.iter().map(|name| build_one(name, profile)).collect()
}

/// What the benchmarks load, in the profile in which the rest is built.
pub(crate) fn build_for_benches(profile: &str) -> Result<PathBuf, Failed> {
    build(&["faulty", "scheduler-priority", "sink-jsonl"].map(str::to_owned), profile)?;
    Ok(folder(profile))
}

fn build_one(name: &str, profile: &str) -> Result<PathBuf, Failed> {
    let package = format!("batchmill-{name}");
    let flags = ["--lib", "--crate-type", "cdylib", "--profile", profile, "--quiet", "--", "--cfg", "batchmill_export"];
    run(cargo(&["rustc", "-p", &package]).args(flags))?;
    let file = format!("lib{}.so", package.replace('-', "_"));
    let (built, placed) = (target().join(profile).join(&file), folder(profile).join(&file));
    fs::copy(&built, &placed).map_err(|error| Failed(format!("{}: {error}", built.display())))?;
    fs::set_permissions(&placed, fs::Permissions::from_mode(0o755)).map_err(Failed::new)?;
    Ok(placed)
}

fn conform(names: &[String]) -> Result<(), Failed> {
    run(&mut cargo(&["build", "-p", "batchmill-host", "--profile", PROFILE, "--quiet"]))?;
    let files = build(names, PROFILE)?;
    let host = target().join(PROFILE).join("batchmill");
    let mut failed = Vec::new();
    for (name, file) in names.iter().zip(&files) {
        println!("{name}");
        let mut command = Command::new(&host);
        command.args(["plugin", "check"]).arg(file).args(needs(name));
        if let Err(Failed(why)) = check(&mut command) {
            println!("{why}");
            failed.push(name.as_str());
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(Failed(format!("not as their contracts say: {}", failed.join(", ")))) }
}

fn needs(name: &str) -> &'static [&'static str] {
    NEEDS.iter().find(|(plugin, _)| *plugin == name).map_or(&[], |(_, needs)| needs)
}

/// All output of a check that failed; the last line of one that did not.
fn check(command: &mut Command) -> Result<(), Failed> {
    let output = command.output().map_err(|error| Failed(format!("{}: {error}", shown(command))))?;
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(Failed(format!("{said}`{}` failed: {}", shown(command), output.status)));
    }
    said.lines().filter(|line| !line.starts_with(' ')).for_each(|line| println!("    {line}"));
    Ok(())
}
