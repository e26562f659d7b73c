//! Checkpoints in PostgreSQL.
//!
//! **What it is.** A [`Checkpointer`] (`kind = "postgres"`) that keeps the checkpoints of jobs
//! in two tables of a schema of their own. Each job belongs to one of a few connections and its calls stay in their order;
//! what arrives while a connection is busy is written together, in one round trip and one transaction.
//!
//! **When to use it.** Where the state of running flows must outlive the machine that runs them, or be looked at with SQL
//! while they run. The batch's own store needs no server and is faster.
//!
//! **What it deliberately does not do.** It speaks no TLS, it keeps no results, and it does not delete what other batches
//! left.
//!
//! ```no_run
//! use batchmill_core::{BuildContext, Checkpointer};
//! use batchmill_store_postgres::{Options, PostgresCheckpointer};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let postgres = PostgresCheckpointer::new(&Options::from_env("DATABASE_URL"), &BuildContext::default())?;
//! let thread = batchmill_core::ThreadId::new("inspect-7f3a/a");
//! let latest = postgres.get(&thread, None).await?;
//! # drop(latest);
//! # Ok(()) }
//! ```

mod call;
mod checkpointer;
mod connection;
mod lane;
mod options;
mod place;
mod row;
mod schema;
mod secret;
mod statements;
mod writes;

use batchmill_core::Checkpointer;
use batchmill_plugin::{Registry, TypedFactory};

pub use checkpointer::PostgresCheckpointer;
pub use options::Options;
pub use secret::Secret;

/// Registers `postgres`.
pub fn register(registry: &mut Registry) {
    registry.register::<dyn Checkpointer>(
        TypedFactory::new("postgres", "keeps checkpoints in PostgreSQL", |options: Options, context| {
            Ok(Box::new(PostgresCheckpointer::new(&options, context)?) as Box<dyn Checkpointer>)
        })
        .check(Options::problems),
    );
}
