//! The name of a new batch: its flow's name and some random digits.

use std::path::Path;

use batchmill_core::BatchId;
use uuid::Uuid;

/// Characters of the flow's name that are kept: the id is also a folder's name.
const NAME_MAX: usize = 64;

/// `inspect-7f3a`; more digits where a batch of that name has results in `state` already.
pub(crate) fn new_batch(flow: &str, state: &Path) -> BatchId {
    let random = Uuid::now_v7().simple().to_string();
    let name = name(flow, &random, |name| state.join("batches").join(name).exists());
    BatchId::new(name).expect("a short name without control characters")
}

/// The last digits of a UUID v7 are random, the first ones are the time.
fn name(flow: &str, random: &str, taken: impl Fn(&str) -> bool) -> String {
    let name = |digits: usize| format!("{}-{}", folder_name(flow), &random[random.len() - digits..]);
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
        assert_ne!(new_batch("f", Path::new("none")), new_batch("f", Path::new("none")));
    }
}
