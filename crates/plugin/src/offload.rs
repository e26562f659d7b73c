//! Blocking work beside the runtime's threads.

use std::sync::{Arc, Mutex, PoisonError};

use batchmill_core::SinkError;

/// Something that blocks. Every use of it runs on a thread made for blocking, one at a time.
///
/// It stays behind a lock that the thread holds: a call whose future is dropped half way still ends, and the next one waits
/// for it.
#[derive(Debug)]
pub struct Offloaded<T>(Arc<Mutex<T>>);

impl<T: Send + 'static> Offloaded<T> {
    /// Takes what blocks.
    pub fn new(inner: T) -> Self {
        Self(Arc::new(Mutex::new(inner)))
    }

    /// Does `work` with it, when earlier work is done.
    pub async fn run<F, R>(&self, work: F) -> Result<R, SinkError>
    where
        F: FnOnce(&mut T) -> Result<R, SinkError> + Send + 'static,
        R: Send + 'static,
    {
        let inner = Arc::clone(&self.0);
        // A panic in `work` leaves no half-changed state that matters: it is reported, and nothing follows an error.
        let task = tokio::task::spawn_blocking(move || work(&mut inner.lock().unwrap_or_else(PoisonError::into_inner)));
        task.await.unwrap_or_else(|error| Err(SinkError::permanent(format!("the writing thread ended early: {error}"))))
    }
}
