//! What is compared.

pub(crate) mod by_hand;
pub(crate) mod command;
pub(crate) mod library;
pub(crate) mod mill;
mod peer;
pub(crate) mod task;

use tokio::runtime::Runtime;

pub(crate) use peer::Peer;

/// Every side has a runtime of its own a round, with two workers: the fewest that show what contention costs.
fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be started")
}
