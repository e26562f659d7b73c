//! The embedded store: a folder and a SQLite database a batch.
//!
//! **What it is.** [`StateDir`] is a directory of batches. A [`Batch`] is one that this process owns: its journal, its
//! start log and its checkpoints, written by one thread that commits groups. A [`BatchReader`] reads one beside its owner.
//!
//! **When to use it.** For every batch that has to survive its host on one machine: it is the default of the program.
//!
//! **What it deliberately does not do.** It does not share a batch between machines, and it needs a file system with
//! working locks and syncs. It registers nothing: the host reads `[store]` itself, because a store is more than a trait.
//!
//! ```
//! use std::sync::Arc;
//! use batchmill_core::{BatchId, JobId, JobResult, JournalEvent, Position, Status, WallTime};
//! use batchmill_store_sqlite::{Durability, NewBatch, StateDir};
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! let state = StateDir::open(folder.path()).unwrap();
//! let id = BatchId::new("inspect-7f3a").unwrap();
//! let batch = state
//!     .create(NewBatch {
//!         id: id.clone(),
//!         name: None,
//!         flow: "inspect".to_owned(),
//!         source: "flow.yaml jobs.jsonl".to_owned(),
//!         manifest: serde_json::json!({}),
//!         jobs: 2,
//!         content: "hash".to_owned(),
//!         accepted: WallTime::from_micros(0),
//!         durability: Durability::Fsync,
//!         parent: None,
//!         generation: 0,
//!     })
//!     .unwrap();
//! let result = JobResult::new(JobId::new("a").unwrap(), 0, Status::Succeeded);
//! batch.journal().append(&id, vec![JournalEvent::Ended(Arc::new(vec![result]))]).await.unwrap();
//!
//! let reader = state.read(&id).unwrap();
//! assert_eq!(reader.counts().unwrap().of(Status::Succeeded), 1);
//! assert_eq!(reader.results(Position(0), 100).unwrap().len(), 1);
//! # });
//! ```

mod adopt;
mod batch;
mod catalogue;
mod checkpoints;
mod clock;
mod create;
mod database;
mod error;
mod journal;
mod listed;
mod lock;
mod options;
mod outlook;
mod queries;
mod reader;
mod readers;
mod rows;
mod schema;
mod slots;
mod state;
mod usage;
mod writer;

pub use batch::Batch;
pub use checkpoints::SqliteCheckpointer;
pub use error::{Owner, StoreError};
pub use journal::SqliteJournal;
pub use listed::{Durability, Listed, NewBatch, Standing};
pub use options::Options;
pub use outlook::Outlook;
pub use reader::{BatchReader, Counts, Delivery, ErrorGroup, Happened};
pub use state::StateDir;
