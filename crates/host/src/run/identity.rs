//! The name of a new batch: one of a person's own, or its flow's name and some random digits.

use std::path::Path;

use batchmill_core::BatchId;
use uuid::Uuid;

/// Characters of the flow's name that are kept: the id is also a folder's name.
const NAME_MAX: usize = 64;

/// `inspect-7f3a`; more digits where `state` has a batch of that name already. A name of a person's own is taken as it is,
/// unless a batch that was abandoned has it.
pub(crate) fn new_batch(own: Option<&BatchId>, flow: &str, state: &Path) -> BatchId {
    let random = Uuid::now_v7().simple().to_string();
    let taken = |name: &str| state.join("batches").join(name).exists();
    let name = match own {
        Some(own) if !taken(own.as_str()) => own.to_string(),
        Some(own) => name(own.as_str(), &random, taken),
        None => name(&folder_name(flow), &random, taken),
    };
    BatchId::new(name).expect("a short name without control characters")
}

/// The last digits of a UUID v7 are random, the first ones are the time.
fn name(stem: &str, random: &str, taken: impl Fn(&str) -> bool) -> String {
    let name = |digits: usize| format!("{stem}-{}", &random[random.len() - digits..]);
    [4, 8].into_iter().map(name).find(|name| !taken(name)).unwrap_or_else(|| name(12))
}

/// A flow may be called anything; a folder may not.
fn folder_name(flow: &str) -> String {
    let safe = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = flow.trim_start_matches('.').chars().map(safe).take(NAME_MAX).collect();
    // 64 characters of 4 bytes each would still be too long for some file systems.
    let end = name.floor_char_boundary(200);
    if name.is_empty() { "batch".to_owned() } else { name[..end].to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_named_after_its_flow_and_is_no_path() {
        assert_eq!(folder_name("inspect"), "inspect");
        assert_eq!(folder_name("../x y\u{7}"), "-x-y-");
        assert_eq!(folder_name(".."), "batch");
        assert!(folder_name(&"ü𝔘".repeat(200)).len() <= 200);
    }

    #[test]
    fn a_name_that_is_taken_gets_more_digits() {
        let random = "0123456789abcdef";
        assert_eq!(name("f", random, |_| false), "f-cdef");
        assert_eq!(name("f", random, |name| name == "f-cdef"), "f-89abcdef");
        assert_eq!(name("f", random, |_| true), "f-456789abcdef");
        let new =
            |own: Option<&str>, state: &Path| new_batch(own.map(|own| BatchId::new(own).unwrap()).as_ref(), "f", state);
        assert_ne!(new(None, Path::new("none")), new(None, Path::new("none")));
        let state = tempfile::tempdir().unwrap();
        assert_eq!(new(Some("nightly"), state.path()).as_str(), "nightly");
        std::fs::create_dir_all(state.path().join("batches/nightly")).unwrap();
        assert!(new(Some("nightly"), state.path()).as_str().starts_with("nightly-"));
    }
}
