//! One timer for the whole host.

use std::sync::Weak;

use batchmill_dispatch::Event;

use crate::Workload;

use super::Shared;

/// Wakes dispatch when it asked to be woken, until the mill is gone.
pub(super) async fn run<W: Workload>(shared: Weak<Shared<W>>) {
    loop {
        let Some(strong) = shared.upgrade() else { return };
        let at = strong.lock().wake_at;
        let due = at.map(|at| strong.clock.tokio(at));
        let asleep = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = strong.alarm.notified() => {}
            () = asleep => {
                // Only if it is still the moment that was asked for: an earlier or later one has been announced else.
                let mut brain = strong.lock();
                if brain.wake_at == at {
                    brain.wake_at = None;
                    brain.take(&strong, Event::TimerFired);
                }
            }
        }
    }
}
