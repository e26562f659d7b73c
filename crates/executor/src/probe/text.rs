//! The few forms in which the kernel writes numbers.

use std::{fs, path::Path};

use super::{Reading, Unavailable};

/// A file of the kernel's.
pub(super) fn file(root: &Path, path: &str) -> Reading<String> {
    fs::read_to_string(root.join(path)).map_err(|error| Unavailable::new(format!("/{path}: {error}")))
}

/// The number behind `name` on its line.
pub(super) fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == name).then(|| words.next()?.parse().ok())?
    })
}

/// The same of a field in kB, as bytes.
pub(super) fn kib(text: &str, name: &str) -> Option<u64> {
    field(text, name)?.checked_mul(1024)
}

/// What a text should have had.
pub(super) fn missing(path: &str, what: &str) -> Unavailable {
    Unavailable::new(format!("/{path} has no `{what}`"))
}
