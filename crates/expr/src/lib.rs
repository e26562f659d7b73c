//! Expressions: jq, by jaq, bounded.
//!
//! **What it is.** A [`Filter`] is compiled once and run many times, from any thread. It reads its input (`.`) and the
//! variables of [`Vars`], nothing else: no environment, no clock, no other input, so that whoever repeats it gets the same.
//! A run that takes too many steps, bytes or too much time ends with the error `expression_limit` (see [`Limits`]), never
//! with the host. A [`Template`] is text with `${ jq }` in it.
//!
//! **When to use it.** Wherever a user writes jq: in flows, where `.` is the state of a job, and in options of plugins, for
//! example the columns of a sink, where `.` is a result.
//!
//! **What it deliberately does not do.** It has no `env`, `now`, `input`, `def` or anything that may run without end.
//!
//! ```
//! use batchmill_expr::{Filter, Vars};
//! use serde_json::json;
//!
//! let size = Filter::compile(".output.bytes / 1024 | floor").unwrap();
//! assert_eq!(size.run_one_on(&json!({"output": {"bytes": 3000}}), &Vars::none()).unwrap(), Some(json!(2)));
//!
//! let error = &Filter::compile("lenght").unwrap_err()[0];
//! assert_eq!(error.to_string(), "unknown function `lenght`, did you mean `length`?");
//! ```

mod calls;
mod check;
mod clip;
mod convert;
mod error;
mod filter;
mod library;
mod meter;
mod natives;
mod ops;
mod reads;
mod template;
mod value;
mod vars;
mod write;

#[cfg(test)]
mod runaway;
#[cfg(test)]
mod tests;

pub use error::ExprError;
pub use filter::Filter;
pub use meter::Limits;
pub use template::Template;
pub use vars::Vars;
