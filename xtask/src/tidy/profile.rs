//! A panic in a job is an outcome: every profile unwinds, and release says so.

use super::{Finding, tree::Tree};

const RULE: &str = "profile";
const FILE: &str = "Cargo.toml";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let text = tree.file(FILE).map_or("", |file| file.text.as_str());
    let (mut section, mut found, mut says_unwind) = ("", Vec::new(), false);
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            section = line;
        } else if section.starts_with("[profile.") && line.starts_with("panic") {
            if line.contains("\"unwind\"") {
                says_unwind |= section == "[profile.release]";
            } else {
                let why = "a panic in a job must not end the host: panic = \"unwind\"";
                found.push(Finding::new(FILE, index + 1, RULE, why));
            }
        }
    }
    if !says_unwind {
        found.push(Finding::new(FILE, 1, RULE, "[profile.release] must say panic = \"unwind\""));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> usize {
        check(&Tree::of(&[(FILE, text)])).len()
    }

    #[test]
    fn profiles_that_abort_and_a_silent_release_are_found() {
        assert_eq!(found("[profile.release]\npanic = \"unwind\"\n"), 0);
        assert_eq!(found("[profile.release]\nlto = true\n"), 1);
        assert_eq!(found("[profile.release]\npanic = \"unwind\"\n[profile.small]\npanic = \"abort\"\n"), 1);
        assert_eq!(found("[profile.release]\npanic = \"abort\"\n"), 2);
    }
}
