//! Tasks of the mill, whose panic must not go unseen.

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, Weak},
};

use batchmill_core::Verdict;
use futures_util::FutureExt;
use tokio::sync::watch;

use crate::Workload;

use super::{
    Shared,
    attempt::panic_text,
    batch::{BatchEnd, OpenBatch},
    delivery::tell_end,
};

/// A task that the mill owns. Attempts and plugins that panic are caught where they are called, so this is a defect: an
/// attempt, its slot or a moment is lost, and a host that went on would wait for it without end.
pub(super) async fn of_mill<W: Workload>(shared: Weak<Shared<W>>, task: impl Future<Output = ()>) {
    if let Err(payload) = AssertUnwindSafe(task).catch_unwind().await
        && let Some(shared) = shared.upgrade()
    {
        shared.lock().break_down(&shared, &told(&*payload));
    }
}

/// The task that answers for the results of a batch. Nobody else would ever say that it has ended.
pub(super) async fn of_batch<W: Workload>(
    shared: Arc<Shared<W>>,
    batch: Arc<OpenBatch<W>>,
    ended: watch::Sender<Option<BatchEnd>>,
    task: impl Future<Output = ()>,
) {
    if let Err(payload) = AssertUnwindSafe(task).catch_unwind().await {
        let (message, counts) = (told(&*payload), shared.snapshot(batch.key).unwrap_or_default().counts);
        shared.lock().break_down(&shared, &message);
        shared.unload(batch.outlet.close());
        tell_end(&shared, BatchEnd::new(Verdict::HostFailed(message), counts), &ended);
    }
}

fn told(payload: &(dyn std::any::Any + Send)) -> String {
    format!("a part of the host panicked: {}", panic_text(payload))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        BatchHandle,
        mill::fixture::{Endless, running},
    };

    async fn failed_by(batch: &BatchHandle<Endless>) -> String {
        match batch.wait().await.verdict {
            Verdict::HostFailed(message) => message,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_task_of_the_mill_that_panics_ends_the_host_with_a_word() {
        let (mill, batch) = running(1, 2);
        mill.0.lock().spawn(&mill.0, async { panic!("no such seat") });
        assert_eq!(failed_by(&batch).await, "a part of the host panicked: no such seat");
        mill.idle().await;
    }

    #[tokio::test]
    async fn a_delivery_that_panics_ends_the_batch_with_a_word() {
        let (mill, batch) = running(1, 2);
        batch.cancel_jobs(vec![1]);
        assert_eq!(failed_by(&batch).await, "a part of the host panicked: a lot too many");
        mill.idle().await;
    }
}
