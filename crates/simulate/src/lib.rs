//! A batch in virtual time.
//!
//! **What it is.** [`play`] is one more body of [`Dispatch`](batchmill_dispatch::Dispatch), beside the executor: it carries out
//! the same effects, but an attempt is an entry in a heap of moments, and time jumps to the next of them. How long attempts
//! take, and which fail, is drawn from a [`Model`]. What comes out is a [`Played`]: who had which part of the machine when, and
//! who waited how long.
//!
//! **When to use it.** To see what a scheduler, its weights, a concurrency or a rule would make of a batch before it runs.
//!
//! **What it deliberately does not do.** It runs nothing, reads no clock and no file. An attempt takes its time whatever else
//! runs: that a machine is slower when it is full is not in the model.
//!
//! ```
//! use std::{num::NonZeroU32, sync::Arc, time::Duration};
//! use batchmill_dispatch::{BatchSetup, NewJob, Settings};
//! use batchmill_simulate::{Length, Model, Simulation, play};
//! # use batchmill_core::*;
//! # use batchmill_scheduler_fifo::Fifo;
//! # #[derive(Debug)] struct Once;
//! # impl RetryPolicy for Once { fn decide(&self, _: &FailedAttempt) -> RetryDecision { RetryDecision::GiveUp("once".into()) } }
//! # #[derive(Debug)] struct Never;
//! # impl FailureStrategy for Never { fn on_result(&mut self, _: &FinalResult, _: u64) -> Directive { Directive::Continue } }
//!
//! let settings = Settings::new(NonZeroU32::new(2).unwrap());
//! let batch = BatchSetup::new(Box::new(Never), vec![Arc::new(Once)]);
//! let simulation = Simulation::new(Box::new(Fifo::new()), settings, batch);
//! let model = Model::new(Length::Fixed(Duration::from_secs(3)), 1);
//! let played = play(simulation, vec![NewJob::default(); 5], &model);
//! assert_eq!(played.makespan, Duration::from_secs(9));
//! assert_eq!(played.shares[0].wait.max, Duration::from_secs(6));
//! ```

mod body;
mod books;
mod chance;
mod entitled;
mod length;
mod model;
mod played;
mod simulation;
mod timeline;
mod waits;

pub use length::Length;
pub use model::{Failures, Model};
pub use played::{Bar, Played, ShareRow, Wait};
pub use simulation::{Simulation, play};
pub use timeline::Windows;
