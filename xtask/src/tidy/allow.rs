//! The documented escape: a comment that names the rule and the reason.

use super::{
    Finding,
    tree::{File, Tree},
};

const RULE: &str = "allow";

/// An escape in a file.
struct Allow {
    path: String,
    line: usize,
    rule: String,
    reason: String,
    used: bool,
}

/// Takes out the findings that an escape covers, and adds those about escapes.
pub(super) fn apply(tree: &Tree, found: Vec<Finding>) -> Vec<Finding> {
    let mut allows: Vec<Allow> = tree.files.iter().flat_map(allows).collect();
    let mut left = Vec::new();
    for finding in found {
        let covers = |allow: &&mut Allow| {
            allow.rule == finding.rule
                && allow.path == finding.path
                && (allow.line == finding.line || allow.line + 1 == finding.line)
        };
        match allows.iter_mut().find(covers) {
            Some(allow) => allow.used = true,
            None => left.push(finding),
        }
    }
    for Allow { path, line, rule, reason, used } in allows {
        if reason.is_empty() {
            left.push(Finding::new(&path, line, RULE, format!("say why: `tidy: allow({rule}): REASON`")));
        }
        if !used {
            left.push(Finding::new(path, line, RULE, format!("nothing here breaks the rule `{rule}`; remove this")));
        }
    }
    left
}

/// The escapes of a file: in comments only, never in literals or prose that explains them.
fn allows(file: &File) -> Vec<Allow> {
    let comments: Vec<(usize, &str)> = match &file.code {
        Some(code) => code.comments.iter().map(|(line, text)| (*line, text.as_str())).collect(),
        None => file.text.lines().enumerate().map(|(index, line)| (index + 1, line)).collect(),
    };
    let sign = match file.path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "rs" => "// ",
        "md" => "<!-- ",
        _ => "# ",
    };
    let parse = |(line, text): (usize, &str)| {
        let at = text.find(&format!("{sign}tidy: allow("))?;
        let (rule, reason) = text[at..].split_once('(')?.1.split_once(')')?;
        let reason = reason.trim_start_matches(':').trim_end_matches("-->").trim();
        Some(Allow { path: file.path.clone(), line, rule: rule.to_owned(), reason: reason.to_owned(), used: false })
    };
    comments.into_iter().filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(text: &str, line: usize) -> Vec<String> {
        let tree = Tree::of(&[("a.rs", text)]);
        let found = vec![Finding::new("a.rs", line, "queues", "unbounded")];
        apply(&tree, found).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_escape_covers_its_line_and_the_next() {
        assert_eq!(left("x(); // tidy: allow(queues): bounded by the caller", 1), [""; 0]);
        assert_eq!(left("// tidy: allow(queues): bounded by the caller\nx();", 2), [""; 0]);
    }

    #[test]
    fn an_escape_needs_a_reason() {
        assert_eq!(left("x(); // tidy: allow(queues)", 1), ["a.rs:1: allow: say why: `tidy: allow(queues): REASON`"]);
    }

    #[test]
    fn an_escape_of_nothing_is_a_finding() {
        let unused = "a.rs:1: allow: nothing here breaks the rule `sleeps`; remove this";
        assert_eq!(left("// tidy: allow(sleeps): x\nx();", 2), ["a.rs:2: queues: unbounded", unused]);
        assert_eq!(left("let x = \"// tidy: allow(queues): x\";", 1), ["a.rs:1: queues: unbounded"]);
    }
}
