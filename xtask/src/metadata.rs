//! What `cargo metadata` says about the workspace, as far as the rules need it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde_json::Value;

use crate::steps::{Failed, cargo, shown};

/// How a package depends on another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dependency {
    /// Part of what is shipped (build scripts too).
    Normal,
    /// For tests, examples and benchmarks.
    Dev,
}

/// A package of the workspace.
#[derive(Debug, Clone, Default)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its folder, from the root, with `/`.
    pub(crate) folder: String,
    /// Its direct dependencies, of the workspace and of others.
    pub(crate) dependencies: Vec<(String, Dependency)>,
    /// Its `[[example]]` targets.
    pub(crate) examples: Vec<String>,
}

/// The workspace and the graph of everything that it is built of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Workspace {
    /// The packages of the workspace.
    pub(crate) packages: Vec<Package>,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
    /// Package ids that a plain `cargo build` builds.
    pub(crate) defaults: Vec<String>,
    /// From a package id to the ids it needs to be built, without dev-dependencies.
    pub(crate) needs: BTreeMap<String, Vec<String>>,
    /// Package names by id.
    pub(crate) names: BTreeMap<String, String>,
}

impl Workspace {
    /// Asks cargo, for the platform that this runs on.
    pub(crate) fn load() -> Result<Self, Failed> {
        let mut command = cargo(&["metadata", "--format-version", "1", "--filter-platform", env!("XTASK_PLATFORM")]);
        let output = command.output().map_err(|error| Failed(format!("{}: {error}", shown(&command))))?;
        if !output.status.success() {
            return Err(Failed(format!("`{}` failed:\n{}", shown(&command), String::from_utf8_lossy(&output.stderr))));
        }
        let metadata = serde_json::from_slice(&output.stdout).map_err(Failed::new)?;
        Self::parse(&metadata).ok_or_else(|| Failed::new("`cargo metadata` has another shape than expected"))
    }

    fn parse(metadata: &Value) -> Option<Self> {
        let root = metadata["workspace_root"].as_str()?;
        let members = strings(&metadata["workspace_members"])?;
        let mut workspace = Self {
            target: metadata["target_directory"].as_str()?.into(),
            defaults: strings(&metadata["workspace_default_members"])?,
            ..Self::default()
        };
        for package in metadata["packages"].as_array()? {
            let id = package["id"].as_str()?.to_owned();
            if members.contains(&id) {
                workspace.packages.push(Package::parse(package, root)?);
            }
            workspace.names.insert(id, package["name"].as_str()?.to_owned());
        }
        for node in metadata["resolve"]["nodes"].as_array()? {
            let needs = node["deps"].as_array()?.iter().filter(|dep| is_built_for_use(dep));
            let needs = needs.map(|dep| dep["pkg"].as_str().map(str::to_owned)).collect::<Option<_>>()?;
            workspace.needs.insert(node["id"].as_str()?.to_owned(), needs);
        }
        workspace.packages.sort_by(|a, b| a.folder.cmp(&b.folder));
        Some(workspace)
    }

    /// The package of this name, if it is of the workspace.
    pub(crate) fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    /// Every example, as package and name.
    pub(crate) fn examples(&self) -> Vec<(&str, &str)> {
        self.packages
            .iter()
            .flat_map(|package| package.examples.iter().map(|example| (package.name.as_str(), example.as_str())))
            .collect()
    }

    /// The way by which a default build comes to a package of this name, as names.
    pub(crate) fn way_to(&self, name: &str) -> Option<Vec<&str>> {
        let mut seen = BTreeSet::new();
        let mut ways: Vec<Vec<&str>> = self.defaults.iter().map(|id| vec![id.as_str()]).collect();
        while let Some(way) = ways.pop() {
            let last = *way.last()?;
            if self.names.get(last).is_some_and(|found| found == name) {
                return Some(way.iter().map(|id| self.names.get(*id).map_or(*id, String::as_str)).collect());
            }
            if seen.insert(last) {
                let next = self.needs.get(last).map_or(&[][..], Vec::as_slice);
                ways.extend(next.iter().map(|id| [way.as_slice(), &[id.as_str()]].concat()));
            }
        }
        None
    }
}

impl Package {
    fn parse(package: &Value, root: &str) -> Option<Self> {
        let folder = package["manifest_path"].as_str()?.strip_prefix(root)?.strip_suffix("Cargo.toml")?;
        let dependencies = package["dependencies"].as_array()?.iter().map(|dependency| {
            let kind = if dependency["kind"] == "dev" { Dependency::Dev } else { Dependency::Normal };
            Some((dependency["name"].as_str()?.to_owned(), kind))
        });
        let examples = package["targets"].as_array()?.iter().filter(|target| target["kind"][0] == "example");
        Some(Self {
            name: package["name"].as_str()?.to_owned(),
            folder: folder.replace('\\', "/").trim_matches('/').to_owned(),
            dependencies: dependencies.collect::<Option<_>>()?,
            examples: examples.map(|target| target["name"].as_str().map(str::to_owned)).collect::<Option<_>>()?,
        })
    }
}

/// Whether one of the ways in which a package needs another is not for tests only.
fn is_built_for_use(dep: &Value) -> bool {
    dep["dep_kinds"].as_array().is_none_or(|kinds| kinds.iter().any(|kind| kind["kind"] != "dev"))
}

fn strings(list: &Value) -> Option<Vec<String>> {
    list.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn metadata_is_read_as_packages_and_a_graph() {
        let workspace = Workspace::parse(&json!({
            "workspace_root": "/w", "target_directory": "/w/target",
            "workspace_members": ["core 1"], "workspace_default_members": ["core 1"],
            "packages": [
                {"id": "core 1", "name": "batchmill-core", "manifest_path": "/w/crates/core/Cargo.toml",
                 "dependencies": [{"name": "x", "kind": null}, {"name": "y", "kind": "dev"}],
                 "targets": [{"kind": ["lib"], "name": "batchmill_core"}, {"kind": ["example"], "name": "hello"}]},
                {"id": "x 1", "name": "x", "manifest_path": "/r/x/Cargo.toml", "dependencies": [], "targets": []},
                {"id": "y 1", "name": "y", "manifest_path": "/r/y/Cargo.toml", "dependencies": [], "targets": []},
            ],
            "resolve": {"nodes": [
                {"id": "core 1", "deps": [
                    {"pkg": "x 1", "dep_kinds": [{"kind": null}]}, {"pkg": "y 1", "dep_kinds": [{"kind": "dev"}]}]},
            ]},
        }))
        .unwrap();
        let package = workspace.package("batchmill-core").unwrap();
        assert_eq!(package.folder, "crates/core");
        assert_eq!(package.dependencies, [("x".into(), Dependency::Normal), ("y".into(), Dependency::Dev)]);
        assert_eq!(workspace.examples(), [("batchmill-core", "hello")]);
        assert_eq!(workspace.way_to("x"), Some(vec!["batchmill-core", "x"]));
        assert_eq!(workspace.way_to("y"), None, "for tests only");
    }
}
