//! Tests wait for what they wait for: a signal, a channel, a paused clock. A sleep is slow and still too short some day.

use super::{Finding, code::has_word, tree::Tree};

const RULE: &str = "sleeps";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, code) in tree.rust() {
        for (line, _) in code.tests().filter(|(_, text)| sleeps(text)) {
            let why = "no sleep in a test: wait for a signal, or pause tokio's clock";
            found.push(Finding::new(&file.path, line, RULE, why));
        }
    }
    found
}

fn sleeps(line: &str) -> bool {
    let imports = line.trim_start().starts_with("use ") && (line.contains("time::") || line.contains("thread::"));
    has_word(line, "thread::sleep") || has_word(line, "time::sleep") || (imports && has_word(line, "sleep"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeps_are_found_in_tests_only() {
        let source = "fn f() { tokio::time::sleep(d); }\n#[test]\nfn g() { std::thread::sleep(d) }\n#[cfg(test)]\nmod tests {\n    use tokio::time::{interval, sleep};\n}\n";
        let tree = Tree::of(&[("crates/a/src/lib.rs", source)]);
        let lines: Vec<usize> = check(&tree).iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [3, 6]);
    }
}
