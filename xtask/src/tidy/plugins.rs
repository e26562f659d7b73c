//! The plugin folders are the catalogue: the same files inside each, and an example of each.

use std::collections::BTreeSet;

use super::{Finding, tree::Tree};

const RULE: &str = "plugins";

/// What every plugin has.
const FILES: &[&str] = &["README.md", "src/lib.rs", "src/options.rs", "tests/conformance.rs"];

/// Where examples are.
const EXAMPLES: &[&str] = &["config/examples/", "examples/"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let folders: BTreeSet<&str> = tree
        .files
        .iter()
        .filter_map(|file| file.path.strip_prefix("plugins/")?.strip_suffix("/Cargo.toml"))
        .filter(|folder| !folder.contains('/'))
        .collect();
    folders.into_iter().flat_map(|folder| of_plugin(tree, folder)).collect()
}

fn of_plugin(tree: &Tree, folder: &str) -> Vec<Finding> {
    let manifest = format!("plugins/{folder}/Cargo.toml");
    let mut found: Vec<Finding> = FILES
        .iter()
        .filter(|file| tree.file(&format!("plugins/{folder}/{file}")).is_none())
        .map(|file| Finding::new(&manifest, 1, RULE, format!("{file} is missing")))
        .collect();
    let (family, kind) = folder.split_once('-').unwrap_or(("", folder));
    let shown = if family == "node" { format!("{kind}:") } else { format!("kind = \"{kind}\"") };
    let named =
        tree.files.iter().filter(|file| EXAMPLES.iter().any(|folder| file.path.starts_with(folder))).any(|file| {
            if family == "node" {
                let is_flow = file.path.ends_with(".yaml") || file.path.ends_with(".yml");
                is_flow && file.text.lines().any(|line| is_key(line, kind))
            } else {
                file.path.ends_with(".toml") && file.text.lines().any(|line| selects(line, kind))
            }
        });
    if !named {
        let why = format!("no file below {} has `{shown}`: show it in an example", EXAMPLES.join(" or "));
        found.push(Finding::new(&manifest, 1, RULE, why));
    }
    found
}

/// `kind = "NAME"`, with any spaces, not commented out.
fn selects(line: &str, kind: &str) -> bool {
    let line: String = line.chars().filter(|c| !c.is_whitespace()).collect();
    !line.starts_with('#') && line.contains(&format!("kind=\"{kind}\""))
}

/// `NAME:` as a key, in block or flow style, not commented out.
fn is_key(line: &str, kind: &str) -> bool {
    let line = line.trim_start();
    !line.starts_with('#')
        && line.match_indices(&format!("{kind}:")).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            before.is_none_or(|c| c == '{' || c == ' ' || c == ',')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::of(files)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_complete_plugin_with_an_example_is_fine() {
        for (folder, example, text) in [
            ("scheduler-fair-share", "config/examples/fair.toml", "[scheduler]\nkind = \"fair-share\"\n"),
            ("node-run", "examples/audit/flow.yaml", "nodes:\n  a:\n    run: [true]\n"),
            ("node-set", "examples/audit/flow.yaml", "nodes:\n  a: {set: '{}'}\n"),
        ] {
            let own: Vec<String> =
                FILES.iter().chain(&["Cargo.toml"]).map(|f| format!("plugins/{folder}/{f}")).collect();
            let mut files: Vec<(&str, &str)> = own.iter().map(|path| (path.as_str(), "")).collect();
            files.push((example, text));
            assert_eq!(found(&files), [""; 0], "{folder}");
        }
    }

    #[test]
    fn missing_files_and_a_missing_example_are_found() {
        let files = [
            ("plugins/sink-csv/Cargo.toml", ""),
            ("plugins/sink-csv/src/lib.rs", ""),
            ("plugins/sink-csv/README.md", ""),
            ("plugins/sink-csv/src/options.rs", ""),
            ("examples/a.toml", "# kind = \"csv\"\nkind = \"csvx\"\n"),
        ];
        assert_eq!(
            found(&files),
            [
                "plugins/sink-csv/Cargo.toml:1: plugins: tests/conformance.rs is missing",
                "plugins/sink-csv/Cargo.toml:1: plugins: no file below config/examples/ or examples/ has `kind = \"csv\"`: \
                 show it in an example",
            ]
        );
    }
}
