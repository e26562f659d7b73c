//! The crates that cargo has unpacked on this machine.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use super::at;
use crate::steps::Failed;

/// A crate on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Crate {
    /// Its name and version, as its folder is called.
    pub(super) name: String,
    /// The registry it is from, as cargo calls its folder.
    pub(super) registry: String,
    /// The unpacked crate.
    pub(super) path: PathBuf,
    /// What it was unpacked from, if cargo has kept it.
    pub(super) archive: PathBuf,
    /// The bytes of its Rust files.
    pub(super) bytes: u64,
}

/// Where cargo keeps what it downloads.
pub(super) fn registry() -> Result<PathBuf, Failed> {
    let cargo_home = env::var_os("CARGO_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cargo"));
    let found = cargo_home.or_else(home).ok_or_else(|| Failed::new("neither CARGO_HOME nor HOME is set"))?;
    // A relative CARGO_HOME is meant from here, but the flow's processes need not run here.
    std::path::absolute(found.join("registry")).map_err(Failed::new)
}

/// All crates of all registries, by name.
pub(super) fn unpacked(registry: &Path) -> Result<Vec<Crate>, Failed> {
    let sources = registry.join("src");
    let mut found = Vec::new();
    if sources.is_dir() {
        for source in entries(&sources)? {
            for path in entries(&source)?.into_iter().filter(|path| path.join("Cargo.toml").is_file()) {
                found.push(of(registry, &source, path)?);
            }
        }
    }
    if found.is_empty() {
        let why = "no crates here to audit; any build, or `cargo fetch`, fills it";
        return Err(Failed(format!("{}: {why}", sources.display())));
    }
    found.sort_by(|a, b| (&a.name, &a.registry).cmp(&(&b.name, &b.registry)));
    Ok(found)
}

fn of(registry: &Path, source: &Path, path: PathBuf) -> Result<Crate, Failed> {
    let text = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        name.ok_or_else(|| at(path, "the name is not UTF-8"))
    };
    let (name, source) = (text(&path)?, text(source)?);
    let archive = registry.join("cache").join(&source).join(format!("{name}.crate"));
    Ok(Crate { bytes: rust_bytes(&path)?, name, registry: source, path, archive })
}

/// The bytes of the Rust files in a folder and those below it.
fn rust_bytes(folder: &Path) -> Result<u64, Failed> {
    let mut bytes = 0;
    for path in entries(folder)? {
        let about = fs::symlink_metadata(&path).map_err(|error| at(&path, error))?;
        if about.is_dir() {
            bytes += rust_bytes(&path)?;
        } else if about.is_file() && path.extension().is_some_and(|extension| extension == "rs") {
            bytes += about.len();
        }
    }
    Ok(bytes)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Failed> {
    let entries = fs::read_dir(folder).map_err(|error| at(folder, error))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()).map_err(|error| at(folder, error)));
    let mut paths: Vec<PathBuf> = paths.collect::<Result<_, _>>()?;
    paths.retain(|path| path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.')));
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_build_has_filled_the_registry() {
        let found = unpacked(&registry().unwrap()).unwrap();
        let serde_json = found.iter().find(|one| one.name.starts_with("serde_json-")).unwrap();
        assert!(serde_json.bytes > 100_000, "{serde_json:?}");
        assert!(found.is_sorted_by_key(|one| &one.name));
    }

    #[test]
    fn an_empty_registry_says_how_to_fill_it() {
        let Failed(why) = unpacked(Path::new("/nowhere")).unwrap_err();
        assert_eq!(why, "/nowhere/src: no crates here to audit; any build, or `cargo fetch`, fills it");
    }
}
