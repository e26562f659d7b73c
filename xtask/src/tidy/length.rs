//! A long file is worth a look; it is not an error.

use super::{Finding, tree::Tree};

const LINES_MAX: usize = 700;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let lengths = tree.rust().map(|(file, _)| (file, file.text.lines().count()));
    lengths
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(file, lines)| Finding::new(&file.path, 1, "length", format!("{lines} lines: is this one idea?")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_are_named() {
        let long = "x\n".repeat(LINES_MAX + 1);
        let tree = Tree::of(&[("a.rs", &long), ("b.rs", "x\n"), ("c.md", &long)]);
        assert_eq!(check(&tree), [Finding::new("a.rs", 1, "length", "701 lines: is this one idea?")]);
    }
}
