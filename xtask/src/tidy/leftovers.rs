//! Nothing unfinished is committed.

use super::{Finding, code::has_word, tree::Tree};

const RULE: &str = "leftovers";

const MACROS: &[&str] = &["todo!", "unimplemented!", "dbg!"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, code) in tree.rust() {
        for (line, text) in code.all() {
            for name in MACROS.iter().filter(|name| has_word(text, name)) {
                found.push(Finding::new(&file.path, line, RULE, format!("`{name}` is not for committed code")));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_code_is_found_and_words_about_it_are_not() {
        let tree = Tree::of(&[("a.rs", "// todo!()\nfn f() { todo!() }\nlet x = \"dbg!\";\nfn g() { dbg!(x); }\n")]);
        let found: Vec<String> = check(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "a.rs:2: leftovers: `todo!` is not for committed code",
                "a.rs:4: leftovers: `dbg!` is not for committed code",
            ]
        );
    }
}
