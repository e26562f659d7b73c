//! Native Rust closures as nodes.

use std::{fmt, future::Future};

use async_trait::async_trait;
use batchmill_core::{Node, NodeContext, NodeError, StateData};
use serde_json::Value;

use super::channel::kind;

/// What a closure may return as the update of its node.
pub trait IntoUpdate {
    /// The update, or why there is none.
    fn into_update(self) -> Result<StateData, NodeError>;
}

impl IntoUpdate for StateData {
    fn into_update(self) -> Result<StateData, NodeError> {
        Ok(self)
    }
}

impl IntoUpdate for () {
    fn into_update(self) -> Result<StateData, NodeError> {
        Ok(StateData::new())
    }
}

impl IntoUpdate for Value {
    /// An object is the update, null is none, anything else is `bad_update`.
    fn into_update(self) -> Result<StateData, NodeError> {
        match self {
            Self::Object(update) => Ok(update),
            Self::Null => Ok(StateData::new()),
            other => Err(NodeError::permanent(
                "bad_update",
                format!("an update is an object or null, the node returned {}", kind(&other)),
            )),
        }
    }
}

impl<U: IntoUpdate> IntoUpdate for Result<U, NodeError> {
    fn into_update(self) -> Result<StateData, NodeError> {
        self.and_then(U::into_update)
    }
}

/// A node made of a closure; see [`node_fn`].
pub struct FnNode<F>(F);

/// Makes a node of a closure from the state to an update: an object, a JSON value, nothing, or a `Result` of these.
///
/// ```
/// use batchmill_flow::node_fn;
/// use serde_json::json;
///
/// let double = node_fn(|state| json!({"x": state["x"].as_i64().unwrap_or(0) * 2}));
/// # let _ = double;
/// ```
pub fn node_fn<F, U>(closure: F) -> FnNode<F>
where
    F: Fn(&StateData) -> U + Send + Sync,
    U: IntoUpdate,
{
    FnNode(closure)
}

#[async_trait]
impl<F, U> Node for FnNode<F>
where
    F: Fn(&StateData) -> U + Send + Sync,
    U: IntoUpdate,
{
    async fn run(&self, state: &StateData, _: NodeContext<'_>) -> Result<StateData, NodeError> {
        (self.0)(state).into_update()
    }
}

impl<F> fmt::Debug for FnNode<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FnNode")
    }
}

/// A node made of a closure that returns a future; see [`async_node_fn`].
pub struct AsyncFnNode<F>(F);

/// Makes a node of a closure that returns a future of an update.
///
/// The closure gets a copy of the state, so that its future may keep it. Where that costs too much, or the context is
/// needed, implement [`Node`].
pub fn async_node_fn<F, T>(closure: F) -> AsyncFnNode<F>
where
    F: Fn(StateData) -> T + Send + Sync,
    T: Future<Output: IntoUpdate> + Send,
{
    AsyncFnNode(closure)
}

#[async_trait]
impl<F, T> Node for AsyncFnNode<F>
where
    F: Fn(StateData) -> T + Send + Sync,
    T: Future<Output: IntoUpdate> + Send,
{
    async fn run(&self, state: &StateData, _: NodeContext<'_>) -> Result<StateData, NodeError> {
        (self.0)(state.clone()).await.into_update()
    }
}

impl<F> fmt::Debug for AsyncFnNode<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AsyncFnNode")
    }
}
