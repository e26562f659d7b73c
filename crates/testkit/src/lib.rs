//! What tests of plugins and of decisions share.
//!
//! **What it is.** Conformance kits, one list of small named cases for each kind of plugin ([`factory`], [`scheduler`], [`retry`],
//! [`failure`], [`governor`], [`sink`], [`checkpointer`], [`journal`]), which built-ins and strangers run alike; a stepping clock ([`FakeClock`]);
//! seeded random numbers ([`Seed`]); and builders for what crosses to plugins ([`QueuedJob`], [`ResultBuilder`]).
//!
//! **When to use it.** As a dev-dependency, in `tests/conformance.rs` of every plugin and in simulations. The host has the kits
//! too: `batchmill plugin check`.
//!
//! **What it deliberately does not do.** It measures no time, and it tests what the contracts of `batchmill-core` promise,
//! not what one plugin promises beyond them: the order of a scheduler is tested beside that scheduler.
//!
//! ```
//! use batchmill_core::{FailedAttempt, RetryDecision, RetryPolicy};
//!
//! #[derive(Debug)]
//! struct Never;
//! impl RetryPolicy for Never {
//!     fn decide(&self, _: &FailedAttempt) -> RetryDecision { RetryDecision::GiveUp("never".into()) }
//! }
//!
//! let report = batchmill_testkit::retry::run(|| Box::new(Never));
//! println!("{report}");
//! report.assert_passed();
//! ```

mod case;
mod clock;
mod options;
mod results;
mod seed;

pub mod checkpointer;
pub mod factory;
pub mod failure;
pub mod governor;
pub mod journal;
pub mod retry;
pub mod scheduler;
pub mod sink;

pub use case::{Case, Ending, Make, Report, Row};
pub use clock::FakeClock;
pub use options::options;
pub use results::ResultBuilder;
pub use scheduler::QueuedJob;
pub use seed::Seed;
