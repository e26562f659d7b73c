//! Time limits of nodes.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use batchmill_core::{CancelReason, CancelSignal, Cancelled, ErrorClass, NodeError, StateData, format_duration};
use tokio::time::{Instant, Sleep};

/// How long a node that listens to its signal may take to end by itself after its time limit.
pub const CLEAN_END: Duration = Duration::from_secs(5);

/// A timer that fires later than this was not watched: the host was frozen.
const FROZEN: Duration = Duration::from_millis(250);

/// What a thawed host gets to notice an end that happened meanwhile.
const SECOND_LOOK: Duration = Duration::from_millis(100);

/// Polls `node`, which was given `own` as its signal, for at most `limit`.
///
/// The timer is armed when the first poll is pending. The node is polled before the timer, so an end that has already
/// happened beats a limit that fell due meanwhile.
pub(super) async fn limited(
    node: impl Future<Output = Result<StateData, NodeError>>,
    name: &str,
    limit: Duration,
    own: &CancelSignal,
    attempt: &CancelSignal,
) -> Result<StateData, NodeError> {
    let mut node = std::pin::pin!(node);
    let mut watch = Watch { limit, own, attempt, timer: None, on_behalf: None, phase: Phase::Running };
    poll_fn(|context| match node.as_mut().poll(context) {
        Poll::Ready(result) if !watch.is_over() => Poll::Ready(result),
        // It was told to end because its time was over: however it ended, that is why.
        Poll::Ready(_) => Poll::Ready(Err(timeout(name, limit))),
        Poll::Pending => {
            watch.forward(context);
            watch.poll_timer(context).map(|()| Err(timeout(name, limit)))
        }
    })
    .await
}

fn timeout(name: &str, limit: Duration) -> NodeError {
    NodeError::new(
        ErrorClass::Timeout,
        "timeout",
        format!("node `{name}` did not end within its time limit of {}", format_duration(limit)),
    )
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// The timer fired late; the node gets one more poll before it counts.
    SecondLook,
    /// The limit is over, the node may end by itself.
    Ending,
}

struct Watch<'a> {
    limit: Duration,
    own: &'a CancelSignal,
    attempt: &'a CancelSignal,
    timer: Option<Pin<Box<Sleep>>>,
    /// Listens to the attempt's signal while the node listens to its own.
    on_behalf: Option<Cancelled>,
    phase: Phase,
}

impl Watch<'_> {
    fn is_over(&self) -> bool {
        self.phase == Phase::Ending
    }

    /// Hands the attempt's cancellation on. It listens on behalf of the node only while the node itself listens: the host
    /// waits for those who listen.
    fn forward(&mut self, context: &mut Context<'_>) {
        let mut reason = None;
        while let Poll::Ready(raised) = self.attempt.poll_stronger_than(reason, context) {
            self.own.cancel(raised);
            reason = Some(raised);
        }
        if !self.own.is_listened_to() {
            self.on_behalf = None;
        } else if self.on_behalf.is_none() {
            let mut listener = self.attempt.cancelled();
            // Only the first poll makes it a listener; the waker is left above.
            let _ = Pin::new(&mut listener).poll(context);
            self.on_behalf = Some(listener);
        }
    }

    /// Ready when the node must be dropped.
    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let limit = self.limit;
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
            ready!(timer.as_mut().poll(context));
            let now = Instant::now();
            match self.phase {
                Phase::Ending => return Poll::Ready(()),
                Phase::Running if now - timer.deadline() > FROZEN => {
                    timer.as_mut().reset(now + SECOND_LOOK);
                    self.phase = Phase::SecondLook;
                }
                Phase::Running | Phase::SecondLook => {
                    let listens = self.own.is_listened_to();
                    timer.as_mut().reset(now + CLEAN_END);
                    self.phase = Phase::Ending;
                    self.own.cancel(CancelReason::Timeout);
                    if !listens {
                        return Poll::Ready(());
                    }
                }
            }
        }
    }
}
