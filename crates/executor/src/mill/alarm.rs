//! One timer for the whole host.

use std::sync::{Arc, Weak};

use batchmill_dispatch::Event;
use tokio::sync::Notify;

use crate::Workload;

use super::Shared;

/// Wakes dispatch when it asked to be woken, until the mill is gone. It holds the mill only while it looks: a task that
/// the mill owns must not keep the mill alive.
pub(super) async fn run<W: Workload>(shared: Weak<Shared<W>>, changed: Arc<Notify>) {
    loop {
        let (at, due) = {
            let Some(shared) = shared.upgrade() else { return };
            let at = shared.lock().wake_at;
            (at, at.map(|at| shared.clock.tokio(at)))
        };
        let asleep = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = changed.notified() => {}
            () = asleep => {
                let Some(shared) = shared.upgrade() else { return };
                // Only if it is still the moment that was asked for: an earlier or later one has been announced else.
                let mut brain = shared.lock();
                if brain.wake_at == at {
                    brain.wake_at = None;
                    brain.take(&shared, Event::TimerFired);
                }
            }
        }
    }
}
