//! Core and dispatch know no clock, no random source and no runtime: time and the random draw are arguments.

use super::{Finding, code::has_word, tree::Tree};
use crate::metadata::{Dependency, Workspace};

const RULE: &str = "purity";

/// The folders of the pure crates.
const PURE: &[&str] = &["crates/core", "crates/dispatch"];

/// What is banned in their sources, and what to do instead.
const BANNED: &[(&str, &str)] = &[
    ("Instant::now", "pass the time in as a `MonoTime`"),
    ("SystemTime::now", "pass the time in as a `WallTime`"),
    ("Timestamp::now", "pass the time in as a `WallTime`"),
    ("Zoned::now", "pass the time in as a `WallTime`"),
    ("rand", "pass the random draw in as a `Draw`"),
    ("getrandom", "pass the random draw in as a `Draw`"),
    ("fastrand", "pass the random draw in as a `Draw`"),
    ("RandomState", "pass the random draw in as a `Draw`"),
    ("tokio", "a runtime belongs to the executor"),
];

/// Crates that they must not depend on.
const CRATES: &[&str] =
    &["tokio", "rand", "rand_core", "getrandom", "fastrand", "futures-executor", "async-std", "smol"];

pub(super) fn check(tree: &Tree, workspace: &Workspace) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, code) in tree.rust() {
        if !PURE.iter().any(|folder| file.path.starts_with(&format!("{folder}/src/"))) {
            continue;
        }
        for (line, text) in code.shipped() {
            for (word, instead) in BANNED.iter().filter(|(word, _)| has_word(text, word)) {
                found.push(Finding::new(&file.path, line, RULE, format!("`{word}` in a pure crate: {instead}")));
            }
        }
    }
    for package in workspace.packages.iter().filter(|package| PURE.contains(&package.folder.as_str())) {
        for (name, kind) in &package.dependencies {
            if *kind == Dependency::Normal && CRATES.contains(&name.as_str()) {
                let manifest = format!("{}/Cargo.toml", package.folder);
                found.push(Finding::new(manifest, 1, RULE, format!("a pure crate must not depend on `{name}`")));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Package;

    #[test]
    fn clocks_dice_and_runtimes_are_found_in_pure_crates_only() {
        let source = "fn a() { std::time::Instant::now(); }\nuse tokio::sync;\n// tokio\n#[cfg(test)]\nmod tests { use rand::x; }\n";
        let tree = Tree::of(&[("crates/dispatch/src/lib.rs", source), ("crates/executor/src/lib.rs", source)]);
        let found: Vec<String> = check(&tree, &Workspace::default()).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "crates/dispatch/src/lib.rs:1: purity: `Instant::now` in a pure crate: pass the time in as a `MonoTime`",
                "crates/dispatch/src/lib.rs:2: purity: `tokio` in a pure crate: a runtime belongs to the executor",
            ]
        );
    }

    #[test]
    fn a_runtime_is_no_dependency_of_a_pure_crate() {
        let package = |kind| Package {
            folder: "crates/core".into(),
            dependencies: vec![("tokio".into(), kind)],
            ..Package::default()
        };
        let found = |kind| {
            let workspace = Workspace { packages: vec![package(kind)], ..Workspace::default() };
            check(&Tree::default(), &workspace).len()
        };
        assert_eq!((found(Dependency::Normal), found(Dependency::Dev)), (1, 0));
    }
}
