//! A panic of a node is an error of that node and nothing more.

use std::{
    any::Any,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::Poll,
};

use batchmill_core::{ErrorClass, NodeError, StateData};

pub(super) type NodeFuture<'a> = Pin<Box<dyn Future<Output = Result<StateData, NodeError>> + Send + 'a>>;

/// Starts a node and polls it; whatever panics on the way becomes the node's error.
pub(super) async fn guarded<'a>(start: impl FnOnce() -> NodeFuture<'a>) -> Result<StateData, NodeError> {
    // The node is not used again after a panic, except by its own `&self`, which its author shares between tasks anyway.
    let mut future = catch_unwind(AssertUnwindSafe(start)).map_err(crash)?;
    let result = poll_fn(|context| {
        catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)))
            .unwrap_or_else(|panic| Poll::Ready(Err(crash(panic))))
    })
    .await;
    // What the node kept may panic when it is dropped.
    match catch_unwind(AssertUnwindSafe(|| drop(future))) {
        Ok(()) => result,
        Err(panic) => Err(crash(panic)),
    }
}

/// The error that a panic becomes.
#[expect(clippy::needless_pass_by_value, reason = "the payload of a panic is owned by whoever caught it")]
pub(crate) fn crash(panic: Box<dyn Any + Send>) -> NodeError {
    let text = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text.as_str(),
        (None, None) => "(no text)",
    };
    NodeError::new(ErrorClass::Crash, "panic", format!("panicked: {text}"))
}
