//! The changelog always has a place for the next change.

use super::{Finding, tree::Tree};

const RULE: &str = "changelog";
const FILE: &str = "CHANGELOG.md";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(file) = tree.file(FILE) else {
        return vec![Finding::new(FILE, 1, RULE, "is missing")];
    };
    let has_section = file.text.lines().any(|line| matches!(line.trim(), "## [Unreleased]" | "## Unreleased"));
    if has_section { Vec::new() } else { vec![Finding::new(FILE, 1, RULE, "needs a section `## [Unreleased]`")] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changelog_without_the_section_or_none_at_all_is_found() {
        assert_eq!(check(&Tree::of(&[(FILE, "# Changelog\n\n## [Unreleased]\n")])), []);
        assert_eq!(check(&Tree::of(&[(FILE, "# Changelog\n\n## 1.0\n")])).len(), 1);
        assert_eq!(check(&Tree::default()).len(), 1);
    }
}
