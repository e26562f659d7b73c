//! The safe side of the plugin platform.
//!
//! **What it is.** The [`Registry`] that maps a `kind` in config to a [`Factory`](batchmill_core::Factory), and [`TypedFactory`], which makes a
//! factory of an options struct and two functions: unknown keys, wrong types and impossible values are then reported all
//! at once, each with its path, and the JSON Schema comes from the struct.
//!
//! **When to use it.** In every plugin crate. A plugin exposes one function, `register(&mut Registry)`; nothing registers
//! itself. The line [`export_plugin!`] makes the same crate a dynamic library too.
//!
//! **What it deliberately does not do.** It loads nothing at run time (`batchmill-abi` does, in the host) and knows no config
//! file.
//!
//! ```
//! use batchmill_core::{BuildContext, Factory, Options, Problem, RetryPolicy};
//! use batchmill_plugin::{Registry, TypedFactory};
//! # use batchmill_core::{FailedAttempt, RetryDecision};
//!
//! /// The settings of `never`.
//! #[derive(Debug, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
//! #[serde(default, deny_unknown_fields)]
//! struct NeverOptions {
//!     /// What to say when giving up.
//!     reason: String,
//! }
//!
//! #[derive(Debug)]
//! struct Never;
//! # impl RetryPolicy for Never {
//! #     fn decide(&self, _: &FailedAttempt) -> RetryDecision { RetryDecision::GiveUp("never".into()) }
//! # }
//!
//! let mut registry = Registry::default();
//! registry.register::<dyn RetryPolicy>(
//!     TypedFactory::new("never", "never retries", |_: NeverOptions, _| Ok(Box::new(Never) as Box<dyn RetryPolicy>)),
//! );
//! let factory = registry.get::<dyn RetryPolicy>("never").unwrap();
//! let wrong: Options = serde_json::from_str(r#"{"raeson": "x"}"#).unwrap();
//! assert_eq!(
//!     factory.validate(&wrong).unwrap_err(),
//!     [Problem::unknown_key(["raeson"], &["reason"])],
//! );
//! ```

mod base64;
mod export;
mod expression;
mod lanes;
mod offload;
mod registry;
mod result_file;
mod typed;
mod units;

pub use base64::base64;
#[doc(hidden)]
pub use batchmill_abi as abi;
pub use batchmill_core as core;
pub use export::exports;
pub use expression::{expression, optional_expression};
pub use lanes::{Ageing, Apart, Contender, Front, IdHasher, Key, Lanes, NOWHERE, Spot};
pub use offload::Offloaded;
pub use registry::{Listed, Pluggable, Registry, UnknownPlugin};
pub use result_file::{ResultFile, ResultFileOptions};
pub use schemars;
pub use typed::{TypedFactory, unknown_keys};
pub use units::{ByteSize, HumanDuration};
