//! Every queue has a named bound.

use super::{
    Finding,
    code::{has_word, word_at},
    tree::Tree,
};

const RULE: &str = "queues";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let unbounded = |(file, code): (&super::tree::File, &super::code::Code)| {
        let path = file.path.clone();
        let lines: Vec<usize> = code.shipped().filter(|(_, text)| is_unbounded(text)).map(|(line, _)| line).collect();
        lines.into_iter().map(move |line| Finding::new(&path, line, RULE, "this queue has no bound: give it one"))
    };
    tree.rust().flat_map(unbounded).collect()
}

/// The constructors of tokio, futures, crossbeam, flume, async-channel; and of std, whose `channel` takes no number.
fn is_unbounded(line: &str) -> bool {
    has_word(line, "unbounded_channel")
        || has_word(line, "::unbounded")
        || has_word(line, "std::sync::mpsc::channel")
        || calls(line, "unbounded").is_some()
        || calls(line, "mpsc::channel").is_some_and(|arguments| arguments.starts_with(')'))
}

/// What follows the opening parenthesis of a call of `function`, types in angle brackets aside.
fn calls<'a>(line: &'a str, function: &str) -> Option<&'a str> {
    let rest = &line[word_at(line, function)? + function.len()..];
    let rest = match rest.strip_prefix("::<") {
        Some(types) => types.split_once(">(").map(|(_, arguments)| arguments),
        None => rest.strip_prefix('('),
    };
    rest.map(str::trim_start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unbounded_queues_are_told_from_bounded_ones() {
        for line in [
            "let (a, b) = mpsc::unbounded_channel();",
            "let (a, b) = std::sync::mpsc::channel();",
            "let (a, b) = mpsc::channel::<Vec<u8>>();",
            "let (a, b) = crossbeam_channel::unbounded::<u8>();",
            "let (a, b) = unbounded();",
            "use futures::channel::mpsc::unbounded;",
        ] {
            assert!(is_unbounded(line), "{line}");
        }
        for line in
            ["let (a, b) = mpsc::channel(64);", "mpsc::channel::<u8>(BOUND);", "sync_channel(1)", "is_unbounded(x)"]
        {
            assert!(!is_unbounded(line), "{line}");
        }
    }

    #[test]
    fn tests_may_have_them() {
        let tree = Tree::of(&[
            ("crates/a/src/lib.rs", "fn f() { unbounded_channel(); }\n"),
            ("crates/a/tests/x.rs", "fn f() { unbounded_channel(); }\n"),
        ]);
        let found: Vec<String> = check(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["crates/a/src/lib.rs:1: queues: this queue has no bound: give it one"]);
    }
}
