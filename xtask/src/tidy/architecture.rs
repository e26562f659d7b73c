//! ARCHITECTURE.md names only what exists.

use super::{Finding, tree::Tree};
use crate::metadata::Workspace;

const RULE: &str = "architecture";
const FILE: &str = "ARCHITECTURE.md";

/// Folders of the root: what begins so is a path of this repository.
const FOLDERS: &[&str] =
    &["crates", "plugins", "config", "tests", "benches", "examples", "xtask", "docs", ".ci", ".cargo"];

pub(super) fn check(tree: &Tree, workspace: &Workspace) -> Vec<Finding> {
    let Some(file) = tree.file(FILE) else { return Vec::new() };
    let mut found = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        // Between backticks is every second part.
        for span in line.split('`').skip(1).step_by(2) {
            let exists = match named(span) {
                Some(Named::Path(path)) => tree.has(path),
                Some(Named::Package(name)) => workspace.package(name).is_some(),
                None => true,
            };
            if !exists {
                found.push(Finding::new(FILE, index + 1, RULE, format!("`{span}` does not exist")));
            }
        }
    }
    found
}

/// Something of this repository.
#[derive(Debug, PartialEq, Eq)]
enum Named<'a> {
    Path(&'a str),
    Package(&'a str),
}

/// What a text between backticks names here. Of a pattern (`plugins/*`, `crates/<name>`) it is the part before.
fn named(span: &str) -> Option<Named<'_>> {
    let word = span.split([' ', ':']).next().unwrap_or(span);
    let (head, rest) = word.split_once('/').unwrap_or((word, ""));
    let is_file_of_root = rest.is_empty() && word.ends_with(".md") || matches!(word, "Cargo.toml" | "Cargo.lock");
    if FOLDERS.contains(&head) && word.contains('/') || is_file_of_root {
        let fixed = word.split(['*', '<', '{', '…']).next().unwrap_or(word);
        let fixed =
            if fixed.len() < word.len() { fixed.rsplit_once('/').map_or(fixed, |(path, _)| path) } else { fixed };
        Some(Named::Path(fixed.trim_end_matches(['/', '.', ','])))
    } else if word.starts_with("batchmill-") {
        Some(Named::Package(word))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Package;

    #[test]
    fn what_is_named_but_missing_is_found() {
        let text =
            "The `crates/core/src/job.rs` and `crates/gone/`.\n`batchmill-core`, `batchmill-gone`, `plugins/*`.\n";
        let tree = Tree::of(&[(FILE, text), ("crates/core/src/job.rs", ""), ("plugins/x/Cargo.toml", "")]);
        let core = Package { name: "batchmill-core".into(), ..Package::default() };
        let found = check(&tree, &Workspace { packages: vec![core], ..Workspace::default() });
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "ARCHITECTURE.md:1: architecture: `crates/gone/` does not exist",
                "ARCHITECTURE.md:2: architecture: `batchmill-gone` does not exist",
            ]
        );
    }

    #[test]
    fn paths_are_told_from_other_words() {
        assert_eq!(named("crates/core/src/job.rs::Job"), Some(Named::Path("crates/core/src/job.rs")));
        assert_eq!(named("crates/<name>/src"), Some(Named::Path("crates")));
        assert_eq!(named("plugins/scheduler-*"), Some(Named::Path("plugins")));
        assert_eq!(named("CONTRIBUTING.md"), Some(Named::Path("CONTRIBUTING.md")));
        for other in ["Scheduler", "batches/<id>/", "cargo xtask tidy", "org/team/user", "core"] {
            assert_eq!(named(other), None, "{other}");
        }
    }
}
