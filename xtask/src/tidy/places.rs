//! The repository is the same everywhere: it names no package registry host and no folder of the machine it was written on.

use super::{Finding, tree::Tree};

const RULE: &str = "places";

/// Hosts, put together here so that this file does not name them itself.
const HOSTS: &[&str] = &[concat!("crates", ".io"), concat!("registry.npmjs", ".org"), concat!("pypi", ".org")];

/// Folders of a person's or a build machine, as a path begins.
const FOLDERS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/")];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.files.iter().filter(|file| !is_lockfile(&file.path)) {
        for (index, line) in file.text.lines().enumerate() {
            for host in HOSTS.iter().filter(|host| line.contains(**host)) {
                found.push(Finding::new(&file.path, index + 1, RULE, format!("names the registry host {host}")));
            }
            for folder in FOLDERS.iter().filter(|folder| begins_path(line, folder)) {
                found.push(Finding::new(
                    &file.path,
                    index + 1,
                    RULE,
                    format!("names {folder}…, a folder of one machine"),
                ));
            }
        }
    }
    found
}

/// Cargo writes registries into it.
fn is_lockfile(path: &str) -> bool {
    path.rsplit('/').next() == Some("Cargo.lock")
}

/// Whether an absolute path in `line` begins with `folder`.
fn begins_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !(c.is_alphanumeric() || "_-.}*~)>".contains(c)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_absolute_paths_are_found() {
        let text = format!("see {}\nopen(\"{}x\")\nexamples{}x ~{}x\n", HOSTS[0], FOLDERS[0], FOLDERS[0], FOLDERS[1]);
        let tree = Tree::of(&[("README.md", &text), ("Cargo.lock", &text), ("benches/peers/Cargo.lock", &text)]);
        let lines: Vec<(String, usize)> =
            check(&tree).into_iter().map(|finding| (finding.path, finding.line)).collect();
        assert_eq!(lines, [("README.md".to_owned(), 1), ("README.md".to_owned(), 2)]);
    }
}
