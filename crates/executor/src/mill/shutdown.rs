//! Ending in named phases whose limits sum to less than the 30 s that Kubernetes grants.

use std::{future::Future, time::Duration};

use crate::Workload;

use super::Mill;

/// How long each phase of a shutdown may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Phases {
    /// Running attempts may finish.
    pub drain: Duration,
    /// Running attempts are told to end.
    pub stop: Duration,
    /// Running attempts are killed.
    pub kill: Duration,
}

impl Default for Phases {
    fn default() -> Self {
        Self { drain: Duration::from_secs(20), stop: Duration::from_secs(3), kill: Duration::from_secs(2) }
    }
}

impl<W: Workload> Mill<W> {
    /// Ends everything: drain, then stop, then kill, each phase only as long as something is still open. True if every
    /// batch was closed in time. A caller in a hurry may call [`stop`](Self::stop) or [`kill`](Self::kill) meanwhile.
    pub async fn shut_down(&self, phases: &Phases) -> bool {
        self.drain();
        if within(phases.drain, self.idle()).await {
            return true;
        }
        tracing::warn!("running jobs did not end within the drain limit: stopping them");
        self.stop();
        if within(phases.stop, self.idle()).await {
            return true;
        }
        tracing::warn!("running jobs did not stop: killing them");
        self.kill();
        within(phases.kill, self.idle()).await
    }

    /// Waits until no batch is open.
    pub async fn idle(&self) {
        loop {
            let ended = self.0.ended.notified();
            let mut ended = std::pin::pin!(ended);
            // Registered before the look, so that an end in between is not missed.
            ended.as_mut().enable();
            if self.0.lock().open == 0 {
                return;
            }
            ended.await;
        }
    }
}

async fn within(limit: Duration, done: impl Future<Output = ()>) -> bool {
    tokio::time::timeout(limit, done).await.is_ok()
}
