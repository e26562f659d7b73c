//! Batches of a state directory, looked at and steered by commands beside the host that runs them.
//!
//! A batch that runs is asked through its control socket; everything else is read from its store, page by page, so that a
//! host that writes to it meanwhile is not held up.

mod errors;
mod find;
mod latest;
pub(crate) mod prune;
mod read;
pub(crate) mod results;
mod select;
pub(crate) mod standing;
pub(crate) mod steer;
mod story;

pub(crate) use errors::GroupId;
pub(crate) use find::{Found, USUAL_STATE, all, argument, named, running};
pub(crate) use select::Selection;

#[cfg(test)]
mod tests;
