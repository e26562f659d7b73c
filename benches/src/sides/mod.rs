//! What is compared.

pub(crate) mod by_hand;
pub(crate) mod command;
pub(crate) mod disk;
pub(crate) mod kept;
pub(crate) mod library;
pub(crate) mod lone;
pub(crate) mod mill;
mod peer;
pub(crate) mod postgres;
pub(crate) mod program;
pub(crate) mod sqlite;
pub(crate) mod task;
pub(crate) mod waiting;

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

/// A folder for files that are written and synced. It lies beside this program, in the target folder: on a disk, where the
/// folder for temporary files is often memory.
pub(crate) fn scratch() -> Result<tempfile::TempDir, String> {
    let program = std::env::current_exe().map_err(|error| format!("where this program is: {error}"))?;
    let folder = program.parent().unwrap_or(std::path::Path::new("."));
    tempfile::tempdir_in(folder).map_err(|error| format!("{}: {error}", folder.display()))
}
