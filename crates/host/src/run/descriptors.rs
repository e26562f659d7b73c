//! How many attempts the open-files limit allows.

use std::num::NonZeroU32;

use metrics::counter;
use rustix::process::{Resource, getrlimit};

/// What the program itself needs: its streams, files, sinks, metrics, and processes that are being started.
const OWN: u64 = 64;

/// What a node that runs a process holds: two pipes and a handle of the process.
const EACH: u64 = 3;

/// Why a limit is what it is.
const REASON: &str = "descriptors";

/// The concurrency that the limit on open files allows. Jobs never fail for want of descriptors; they wait.
///
/// Every node of a flow may run at once, so each is counted: a flow of many nodes in a row is counted too strictly, which
/// costs concurrency where the limit is low, and a warning says so.
pub(super) fn within_limit(wanted: NonZeroU32, nodes: usize) -> NonZeroU32 {
    let Some((limit, allowed)) = most(nodes) else { return wanted };
    let changes = counter!("batchmill_concurrency_limit_changes_total", "reason" => REASON);
    changes.increment(u64::from(allowed < wanted));
    if allowed < wanted {
        tracing::warn!(
            wanted,
            allowed,
            open_files = limit,
            "concurrency is lowered to what the limit on open files allows; `ulimit -n` raises it"
        );
    }
    allowed.min(wanted)
}

/// What no governor gets beyond, and the word for it.
pub(super) fn ceiling(nodes: usize) -> Option<(NonZeroU32, &'static str)> {
    most(nodes).map(|(_, allowed)| (allowed, REASON))
}

/// The limit on open files, and the concurrency that it allows.
fn most(nodes: usize) -> Option<(u64, NonZeroU32)> {
    let limit = getrlimit(Resource::Nofile).current?;
    Some((limit, allowed(limit, nodes)))
}

fn allowed(limit: u64, nodes: usize) -> NonZeroU32 {
    let attempt = EACH * (nodes as u64).max(1);
    let attempts = u32::try_from(limit.saturating_sub(OWN) / attempt).unwrap_or(u32::MAX);
    NonZeroU32::new(attempts).unwrap_or(NonZeroU32::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_shared_by_all_nodes_of_all_attempts() {
        assert_eq!(allowed(1024, 1).get(), 320);
        assert_eq!(allowed(1024, 4).get(), 80);
        assert_eq!(allowed(256, 4).get(), 16);
        assert_eq!(allowed(10, 4).get(), 1, "one always runs");
        assert_eq!(allowed(u64::MAX, 1).get(), u32::MAX);
    }
}
