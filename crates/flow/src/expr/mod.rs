//! Expressions: jq, by jaq, bounded.
//!
//! A [`Filter`] is compiled once and run many times, from any thread. It reads the state (`.`) and the variables of
//! [`Vars`], nothing else: no environment, no clock, no other input, so that a repeated attempt computes the same. A run
//! that takes too many steps, bytes or too much time ends with the error `expression_limit` (see [`Limits`]), never with
//! the host.
//!
//! A [`Template`] is text with `${ jq }` in it.

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
