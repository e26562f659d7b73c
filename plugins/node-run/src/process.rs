//! One process from its start to its end: drained, bounded, stopped with its group.

mod capture;
mod scale;
mod supervise;

pub(crate) use capture::into_text;
pub(crate) use supervise::{End, Ended, Limits, supervise};
