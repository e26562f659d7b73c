//! How sides are measured: in turn, round by round.

mod case;
mod rounds;
mod stopwatch;

pub(crate) use case::{Bound, Case, Goal, Kind, Sample, Side, Unit};
pub(crate) use rounds::{Plan, suite};
pub(crate) use stopwatch::Stopwatch;
