//! The crates as a file of jobs.

use serde_json::json;

use super::{at, crates::Crate};
use crate::steps::Failed;

/// One job a crate, in the order of the crates. The larger a crate, the higher its priority: what takes long should not
/// come last.
pub(super) fn lines(crates: &[Crate]) -> Result<String, Failed> {
    let mut lines = String::new();
    for (index, one) in crates.iter().enumerate() {
        let neighbours = [index.checked_sub(1), index.checked_add(1)];
        let is_twin = |other: Option<usize>| other.and_then(|at| crates.get(at)).is_some_and(|it| it.name == one.name);
        let twin = neighbours.into_iter().any(is_twin);
        let id = if twin { format!("{} of {}", one.name, one.registry) } else { one.name.clone() };
        let path = one.path.to_str().ok_or_else(|| at(&one.path, "the path is not UTF-8"))?;
        let archive = one.archive.to_str().ok_or_else(|| at(&one.archive, "the path is not UTF-8"))?;
        let job = json!({"id": id, "priority": priority(crates, one), "input": {"path": path, "archive": archive}});
        lines.push_str(&format!("{job}\n"));
    }
    Ok(lines)
}

/// From 0 for the smallest to 255 for the largest, by how many crates are smaller.
fn priority(crates: &[Crate], one: &Crate) -> usize {
    let smaller = crates.iter().filter(|other| other.bytes < one.bytes).count();
    smaller * 255 / crates.len().saturating_sub(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(crates: &[(&str, &str, u64)], expected: &str) {
        let crates: Vec<Crate> = crates
            .iter()
            .map(|(name, registry, bytes)| Crate {
                name: (*name).to_owned(),
                registry: (*registry).to_owned(),
                path: format!("/s/{registry}/{name}").into(),
                archive: format!("/c/{registry}/{name}.crate").into(),
                bytes: *bytes,
            })
            .collect();
        assert_eq!(lines(&crates).unwrap(), expected);
    }

    #[test]
    fn larger_crates_are_more_urgent() {
        check(
            &[("a-1", "r", 5), ("b c-1", "r", 900), ("d-1", "r", 7)],
            r#"{"id":"a-1","priority":0,"input":{"path":"/s/r/a-1","archive":"/c/r/a-1.crate"}}
{"id":"b c-1","priority":255,"input":{"path":"/s/r/b c-1","archive":"/c/r/b c-1.crate"}}
{"id":"d-1","priority":127,"input":{"path":"/s/r/d-1","archive":"/c/r/d-1.crate"}}
"#,
        );
    }

    #[test]
    fn the_same_crate_of_two_registries_is_two_jobs() {
        check(
            &[("a-1", "r", 5), ("a-1", "s", 5)],
            r#"{"id":"a-1 of r","priority":0,"input":{"path":"/s/r/a-1","archive":"/c/r/a-1.crate"}}
{"id":"a-1 of s","priority":0,"input":{"path":"/s/s/a-1","archive":"/c/s/a-1.crate"}}
"#,
        );
    }
}
