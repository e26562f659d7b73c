//! The rules of the house that rustc cannot check.
//!
//! A rule is a file below `tidy/`: it looks at the [`Tree`] of the repository's files, or at what cargo knows of the
//! [`Workspace`], and returns findings. The escape is a comment on the line of the finding or
//! the line above it, `tidy: allow(RULE): REASON` after the comment sign. An escape without a reason, or one that allows
//! nothing, is a finding itself.

mod allow;
mod architecture;
mod changelog;
mod code;
mod heavy;
mod imports;
mod leftovers;
mod length;
mod places;
mod plugins;
mod profile;
mod purity;
mod queues;
mod sleeps;
mod tree;
mod unsafety;

use std::fmt;

use crate::{
    metadata::Workspace,
    steps::{Failed, no_arguments},
};
use tree::Tree;

/// Something that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// The file, from the root.
    path: String,
    /// The line, from 1; 1 where the file as a whole is meant.
    line: usize,
    /// The name of the rule.
    rule: &'static str,
    /// What is wrong and how to mend it.
    why: String,
}

impl Finding {
    fn new(path: impl Into<String>, line: usize, rule: &'static str, why: impl Into<String>) -> Self {
        Self { path: path.into(), line, rule, why: why.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.why)
    }
}

/// Every rule, in the order of the files.
fn findings(tree: &Tree, workspace: &Workspace) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(architecture::check(tree, workspace));
    found.extend(changelog::check(tree));
    found.extend(heavy::check(workspace));
    found.extend(imports::check(tree, workspace));
    found.extend(leftovers::check(tree));
    found.extend(places::check(tree));
    found.extend(plugins::check(tree));
    found.extend(profile::check(tree));
    found.extend(purity::check(tree, workspace));
    found.extend(queues::check(tree));
    found.extend(sleeps::check(tree));
    found.extend(unsafety::check(tree));
    let mut left = allow::apply(tree, found);
    left.sort();
    left
}

/// Prints everything that breaks a rule.
pub(crate) fn tidy(arguments: &[String]) -> Result<(), Failed> {
    no_arguments(arguments)?;
    let tree = Tree::load(&crate::root())?;
    let workspace = Workspace::load()?;
    for warning in length::check(&tree) {
        println!("warning: {warning}");
    }
    let found = findings(&tree, &workspace);
    for finding in &found {
        println!("{finding}");
    }
    println!("tidy: {} files, {} packages, {} findings", tree.files.len(), workspace.packages.len(), found.len());
    if found.is_empty() { Ok(()) } else { Err(Failed(format!("{} findings", found.len()))) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::metadata::{Dependency, Package};

    /// A rule that is written but not called would pass for ever.
    #[test]
    fn every_rule_is_asked() {
        let tree = Tree::of(&[
            ("ARCHITECTURE.md", "`crates/gone`"),
            ("Cargo.toml", "[profile.release]\npanic = \"abort\"\n"),
            ("README.md", concat!("/wo", "rk/x")),
            (
                "crates/core/src/lib.rs",
                "fn f() { Instant::now(); unsafe { todo!() } }\nfn g() { mpsc::unbounded_channel() }\n",
            ),
            ("crates/core/tests/x.rs", "fn f() { thread::sleep(d); }\n// tidy: allow(queues): nothing\n"),
            ("plugins/sink-csv/Cargo.toml", ""),
        ]);
        let package = |folder: &str, dependencies| Package {
            name: folder.into(),
            folder: folder.into(),
            dependencies,
            ..Package::default()
        };
        let import = ("crates/flow".to_owned(), Dependency::Normal);
        let workspace = Workspace {
            packages: vec![package("crates/core", vec![import]), package("crates/flow", Vec::new())],
            defaults: vec!["ring".into()],
            names: [("ring".to_owned(), "ring".to_owned())].into(),
            ..Workspace::default()
        };
        let rules: BTreeSet<&str> = findings(&tree, &workspace).iter().map(|finding| finding.rule).collect();
        let expected = [
            "allow",
            "architecture",
            "changelog",
            "heavy",
            "imports",
            "leftovers",
            "places",
            "plugins",
            "profile",
            "purity",
            "queues",
            "sleeps",
            "unsafe",
        ];
        assert_eq!(rules, BTreeSet::from(expected));
    }
}
