//! Arrows point inward: host → (api, config, executor, plugin) → (flow, dispatch) → expr → core. Plugins know core, expr and
//! plugin, never each other, never the executor.

use super::{Finding, tree::Tree};
use crate::metadata::{Dependency, Package, Workspace};

const RULE: &str = "imports";

/// Stands for every package below `plugins/`.
const PLUGINS: &str = "plugins";

/// What each folder may import of the workspace, and what its tests may import besides. A new crate gets its row on the
/// day it is made.
const TABLE: &[(&str, &[&str], &[&str])] = &[
    ("crates/core", &[], &[]),
    ("crates/abi", &["crates/core"], &["crates/testkit"]),
    ("crates/expr", &["crates/core"], &["crates/testkit"]),
    ("crates/plugin", &["crates/core", "crates/abi"], &["crates/testkit"]),
    ("crates/flow", &["crates/core", "crates/expr"], &["crates/testkit"]),
    ("crates/dispatch", &["crates/core"], &["crates/testkit", PLUGINS]),
    ("crates/simulate", &["crates/core", "crates/dispatch"], &["crates/testkit", PLUGINS]),
    ("crates/config", &["crates/core", "crates/plugin"], &["crates/testkit", PLUGINS]),
    (
        "crates/executor",
        &["crates/core", "crates/flow", "crates/dispatch"],
        &["crates/testkit", "crates/plugin", PLUGINS],
    ),
    ("crates/testkit", &["crates/core", "crates/flow", "crates/dispatch", "crates/plugin"], &[]),
    ("crates/api", &["crates/core"], &["crates/testkit"]),
    (
        "crates/batchmill",
        &["crates/core", "crates/flow", "crates/dispatch", "crates/executor", "crates/plugin", PLUGINS],
        &["crates/testkit"],
    ),
    ("crates/host", &["crates", PLUGINS], &["crates/testkit"]),
    ("plugins/node-", &["crates/core", "crates/expr", "crates/plugin", "crates/flow"], &["crates/testkit"]),
    ("plugins/store-", &["crates/core", "crates/expr", "crates/plugin", "crates/flow"], &["crates/testkit"]),
    (PLUGINS, &["crates/core", "crates/expr", "crates/plugin"], &["crates/testkit"]),
    ("xtask", &[], &[]),
    ("benches", &["crates", PLUGINS], &["crates/testkit"]),
    ("tests", &["crates", PLUGINS], &["crates/testkit"]),
];

/// Only ever a dev-dependency, but of the host: its `plugin check` runs the kits.
const TESTKIT: &str = "crates/testkit";
const HOST: &str = "crates/host";

pub(super) fn check(tree: &Tree, workspace: &Workspace) -> Vec<Finding> {
    workspace.packages.iter().flat_map(|package| of_package(tree, workspace, package)).collect()
}

fn of_package(tree: &Tree, workspace: &Workspace, package: &Package) -> Vec<Finding> {
    let manifest = format!("{}/Cargo.toml", package.folder);
    let Some((_, normal, dev)) = TABLE.iter().find(|(folder, _, _)| covers(folder, &package.folder)) else {
        let why = format!("no row for {} in xtask/src/tidy/imports.rs: say there what it may import", package.folder);
        return vec![Finding::new(manifest, 1, RULE, why)];
    };
    let mut found = Vec::new();
    for (name, kind) in &package.dependencies {
        let Some(imported) = workspace.package(name).filter(|imported| imported.folder != package.folder) else {
            continue;
        };
        let allows = |list: &[&str]| list.iter().any(|folder| covers(folder, &imported.folder));
        let why = match kind {
            Dependency::Normal if imported.folder == TESTKIT && package.folder != HOST => {
                format!("{name} is for tests: it belongs into [dev-dependencies]")
            }
            Dependency::Normal if !allows(normal) => format!("{} must not import {}", package.folder, imported.folder),
            Dependency::Dev if !allows(normal) && !allows(dev) => {
                format!("the tests of {} must not import {}", package.folder, imported.folder)
            }
            _ => continue,
        };
        found.push(Finding::new(&manifest, line_of(tree, &manifest, name, *kind), RULE, why));
    }
    found
}

/// Whether an entry of the table stands for a folder: itself, everything below it, or names that begin so (`node-`).
fn covers(entry: &str, folder: &str) -> bool {
    folder.strip_prefix(entry).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || entry.ends_with('-'))
}

/// The line that names the dependency, in the section of its kind.
fn line_of(tree: &Tree, manifest: &str, name: &str, kind: Dependency) -> usize {
    let text = tree.file(manifest).map_or("", |file| file.text.as_str());
    let mut is_dev = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            is_dev = line.contains("dev-dependencies");
        } else if line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '.', '=']))
            && is_dev == (kind == Dependency::Dev)
        {
            return index + 1;
        }
    }
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The findings for a package in `folder` that imports the package in `imported`.
    fn found(folder: &str, imported: &str, kind: Dependency) -> Vec<String> {
        let package = |folder: &str, dependencies| Package {
            name: format!("name-of-{}", folder.replace('/', "-")),
            folder: folder.into(),
            dependencies,
            examples: Vec::new(),
        };
        let import = package(imported, Vec::new());
        let packages = vec![package(folder, vec![(import.name.clone(), kind)]), import];
        let workspace = Workspace { packages, ..Workspace::default() };
        let manifest = format!("{folder}/Cargo.toml");
        let tree = Tree::of(&[(&manifest, "[dependencies]\nname-of-crates-executor.workspace = true\n")]);
        check(&tree, &workspace).iter().map(ToString::to_string).filter(|line| line.starts_with(folder)).collect()
    }

    #[test]
    fn outward_and_sideways_imports_are_found_with_their_line() {
        assert_eq!(
            found("crates/core", "crates/executor", Dependency::Normal),
            ["crates/core/Cargo.toml:2: imports: crates/core must not import crates/executor"]
        );
        for (from, to) in [
            ("crates/flow", "crates/dispatch"),
            ("crates/dispatch", "plugins/scheduler-fifo"),
            ("plugins/sink-jsonl", "plugins/sink-csv"),
            ("plugins/sink-jsonl", "crates/flow"),
            ("plugins/node-run", "crates/executor"),
            ("crates/executor", "crates/host"),
            ("xtask", "crates/core"),
        ] {
            assert_eq!(found(from, to, Dependency::Normal).len(), 1, "{from} → {to}");
        }
    }

    #[test]
    fn inward_imports_are_fine() {
        for (from, to) in [
            ("crates/plugin", "crates/core"),
            ("plugins/node-run", "crates/flow"),
            ("plugins/sink-csv", "crates/expr"),
            ("plugins/scheduler-fifo", "crates/plugin"),
            ("crates/batchmill", "plugins/scheduler-fifo"),
            ("crates/host", "crates/config"),
        ] {
            assert_eq!(found(from, to, Dependency::Normal), [""; 0], "{from} → {to}");
        }
    }

    #[test]
    fn the_testkit_is_for_tests_only_and_for_the_host_that_checks_plugins_with_it() {
        assert_eq!(found("crates/host", TESTKIT, Dependency::Normal), [""; 0]);
        assert_eq!(found("crates/executor", TESTKIT, Dependency::Normal).len(), 1);
        assert_eq!(found("tests", TESTKIT, Dependency::Normal).len(), 1);
        assert_eq!(found("plugins/sink-jsonl", TESTKIT, Dependency::Dev), [""; 0]);
    }

    #[test]
    fn tests_keep_to_the_rule_too() {
        assert_eq!(found("plugins/sink-jsonl", "crates/executor", Dependency::Dev).len(), 1);
        assert_eq!(found("crates/executor", "plugins/scheduler-fifo", Dependency::Dev), [""; 0]);
    }

    #[test]
    fn a_crate_without_a_row_is_found() {
        assert_eq!(found("crates/unheard-of", "crates/core", Dependency::Normal).len(), 1);
    }
}
