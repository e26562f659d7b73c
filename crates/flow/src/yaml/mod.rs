//! YAML that knows where it was written.
//!
//! Flows are read in two steps: this module makes a tree in which every key and every value has its line and column; the
//! flow file makes sense of it. A mistake found by anybody later, even inside a jq expression in a string, can so be shown
//! at its place ([`Located::place`]).
//!
//! The rules are YAML 1.2 without its traps: only `true` and `false` are booleans; numbers with a leading zero or with
//! underscores are text; a key occurs once; one document; no tags. Anchors and aliases work within the bounds of [`parse`].
//! JSON is YAML and is accepted.

mod located;
mod origin;
mod reader;
mod scalar;

#[cfg(test)]
mod tests;

pub use located::{Located, LocatedKey, LocatedValue, Place};
pub use reader::{YamlProblem, parse};
