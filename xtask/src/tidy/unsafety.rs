//! `unsafe` lives in two places: the C ABI and the spawning of processes. What benchmarks compare with is outside of the
//! workspace and may call the system as it likes.

use super::{Finding, code::has_word, tree::Tree};

const RULE: &str = "unsafe";

const ALLOWED: &[&str] = &["crates/abi/", "plugins/node-run/", "benches/peers/"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let outside = tree.rust().filter(|(file, _)| !ALLOWED.iter().any(|folder| file.path.starts_with(folder)));
    outside
        .flat_map(|(file, code)| {
            let lines = code.all().filter(|(_, text)| has_word(text, "unsafe"));
            lines.map(|(line, _)| Finding::new(&file.path, line, RULE, format!("only in {}", ALLOWED.join(", "))))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_is_found_outside_its_places() {
        let source = "//! unsafe\n#![deny(unsafe_code)]\nfn f() { unsafe { x() } }\n";
        let tree = Tree::of(&[("crates/core/src/lib.rs", source), ("plugins/node-run/src/spawn.rs", source)]);
        let found: Vec<String> = check(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["crates/core/src/lib.rs:3: unsafe: only in crates/abi/, plugins/node-run/, benches/peers/"]);
    }
}
