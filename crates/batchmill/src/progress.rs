//! Tells how a batch stands, now and then and at its end.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use batchmill_executor::{BatchHandle, FlowWorkload};
use tokio::{
    task::JoinHandle,
    time::{Instant, interval_at},
};

use crate::builder::OnProgress;

/// Tells progress until it is dropped. Owns its ticker.
pub(crate) struct Progress {
    teller: Arc<Teller>,
    ticker: JoinHandle<()>,
}

struct Teller {
    batch: BatchHandle<FlowWorkload>,
    callback: OnProgress,
    /// Whether the end was told. Held during a call, so that nothing is told after the end.
    ended: Mutex<bool>,
}

impl Teller {
    fn tell(&self, is_end: bool) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if !*ended {
            *ended = is_end;
            (self.callback)(&self.batch.snapshot().into());
        }
    }
}

impl Progress {
    pub(crate) fn start(batch: BatchHandle<FlowWorkload>, callback: OnProgress, period: Duration) -> Self {
        let teller = Arc::new(Teller { batch, callback, ended: Mutex::new(false) });
        let ticking = teller.clone();
        // A period that leads past the end of time is never over.
        let first = Instant::now().checked_add(period);
        let ticker = tokio::spawn(async move {
            let Some(first) = first else { return };
            let mut ticks = interval_at(first, period);
            loop {
                ticks.tick().await;
                ticking.tell(false);
            }
        });
        Self { teller, ticker }
    }

    /// Tells the final numbers.
    pub(crate) fn end(&self) {
        self.teller.tell(true);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.ticker.abort();
    }
}
