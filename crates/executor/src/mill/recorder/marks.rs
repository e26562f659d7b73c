//! How far feeds have got, on its way into the journal.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use batchmill_core::Delivered;
use tokio::{sync::Notify, time::Instant};

/// Where nothing else is recorded, marks are, about so often.
const EVERY: Duration = Duration::from_secs(1);

/// The last mark of each feed that is not recorded.
#[derive(Debug, Default)]
pub(super) struct Marks {
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<Delivered>,
    /// When they are recorded by themselves.
    due: Option<Instant>,
}

impl Marks {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Only whole marks come and go.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A feed has got further.
    pub(super) fn put(&self, mark: Delivered) {
        let mut state = self.lock();
        match state.waiting.iter_mut().find(|waiting| waiting.sink == mark.sink) {
            Some(waiting) => *waiting = mark,
            None => state.waiting.push(mark),
        }
        if state.due.is_none() {
            state.due = Some(Instant::now() + EVERY);
            drop(state);
            self.wake.notify_one();
        }
    }

    /// Those that go along with what is recorded now.
    pub(super) fn take(&self) -> Vec<Delivered> {
        let mut state = self.lock();
        state.due = None;
        std::mem::take(&mut state.waiting)
    }

    /// Ready when marks have waited long enough for company.
    pub(super) async fn due(&self) {
        loop {
            let due = self.lock().due;
            match due {
                Some(due) => return tokio::time::sleep_until(due).await,
                None => self.wake.notified().await,
            }
        }
    }
}
