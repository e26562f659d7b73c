//! The host's configuration.
//!
//! **What it is.** TOML files, `BATCHMILL_SECTION__KEY` variables, flags and `--set` as layers, the stronger over the
//! weaker, checked against the types of [`HostConfig`] and the options of the plugins that a [`Registry`] knows. Everything
//! that is wrong is reported at once, as `file:line:column: key: message`; every value knows where it comes from.
//!
//! **When to use it.** In a program that assembles a host from configuration. A program that embeds Batchmill and decides
//! for itself needs none of it.
//!
//! **What it deliberately does not do.** It builds no plugin, opens nothing but the files it was told, reads no variable of
//! the process (the caller passes them, see [`LoadRequest::from_process`]), and accepts no key whose part does not exist.
//! A list (`[[sinks]]`) is replaced as a whole, never merged. The options of a plugin belong to its `kind`: a layer that
//! sets another kind starts from that kind's defaults.
//!
//! ```
//! use batchmill_config::{Flag, LoadRequest, load};
//! use batchmill_plugin::Registry;
//!
//! let request = LoadRequest {
//!     flags: vec![Flag::parsed("--timeout", "executor.timeout", "0s")],
//!     sets: vec!["executor.concurency=4".into()],
//!     ..LoadRequest::default()
//! };
//! let problems = load(&request, &Registry::default()).unwrap_err();
//! let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
//! assert!(text.contains(&"--timeout: executor.timeout: a timeout must be longer than 0s".to_owned()));
//! assert!(text.contains(
//!     &"--set executor.concurency=…: executor.concurency: unknown key `concurency`, did you mean `concurrency`?".to_owned()
//! ));
//! // A registry without plugins does not know the default kinds either.
//! assert!(text.iter().any(|line| line.starts_with("default: scheduler.kind: unknown scheduler kind `priority`")));
//! ```
//!
//! [`Registry`]: batchmill_plugin::Registry

mod attempt_timeout;
mod bounded;
mod collect;
mod concurrency;
mod cpus;
mod depth;
mod document;
mod host;
mod key;
mod layer;
mod limit;
mod load;
mod memory_limit;
mod origin;
mod origins;
mod percent;
mod plugins;
mod problem;
mod request;
mod resources;
mod schema;
mod shape;
mod show;
mod slot;
mod timeout;
mod together;

pub use attempt_timeout::{AttemptTimeout, BadAttemptPercent};
pub use bounded::{Unreadable, read_bounded};
pub use collect::DEFAULTS;
pub use concurrency::{BadConcurrency, Concurrency};
pub use cpus::Cpus;
pub use host::{Durability, Executor, HostConfig, Scheduler, Slot, Store, StoreKind, StoreOptions};
pub use limit::{Breaker, Limit};
pub use load::{Loaded, load};
pub use memory_limit::MemoryLimit;
pub use origin::{Origin, Place};
pub use origins::Origins;
pub use percent::{BadPercent, Percent};
pub use plugins::{BadOnFault, ListedPlugins, OnFault, PluginEntry, PluginLoading};
pub use problem::ConfigProblem;
pub use request::{CheckExpression, Expressions, Flag, LoadRequest};
pub use resources::{Nice, Resources};
pub use schema::schema;
pub use timeout::{Timeout, ZeroTimeout};
