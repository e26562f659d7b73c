//! Calls that may hang and must not take the caller with them.

use std::{sync::mpsc, thread, time::Duration};

/// Runs `work` on a thread of its own and waits for it, but not longer than `limit`. `None`: it is still at it, or died; its
/// thread is left to itself.
pub(super) fn within<T: Send + 'static>(
    limit: Duration,
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (tell, told) = mpsc::sync_channel(1);
    let run = move || {
        // Nobody listens any more where it took too long.
        let _ = tell.send(work());
    };
    thread::Builder::new().name(name.chars().take(15).collect()).spawn(run).ok()?;
    told.recv_timeout(limit).ok()
}
