//! Intake: jobs from any source, checked to the last one before anything runs, then read again from disk one by one as
//! they start.
//!
//! ```text
//! FILE.jsonl ─────────┐             ┌─► line (rules of a job) ─► flow's input schema ─► index ─► JsonLines: JobSource
//! .json .csv          ├─► records ──┤                                                   └─► duplicate ids
//! lines: glob: stdin ─┘             └─► spool, unless it is read in place
//! ```

mod accept;
mod ahead;
mod bad_line;
mod compare;
mod cursor;
mod duplicates;
mod fingerprint;
mod format;
mod glob;
mod index;
mod json;
mod jsonl;
mod keys;
mod line;
mod lines;
mod numbers;
mod open;
mod pick;
mod record;
mod spool;

pub(crate) use accept::Rules;
pub(crate) use bad_line::{LeftOut, OnBadLine};
pub(crate) use compare::{Comparison, Group};
pub(crate) use fingerprint::Fingerprint;
pub(crate) use format::Columns;
pub(crate) use index::Defaults;
pub(crate) use jsonl::JsonLines;
pub(crate) use keys::{Keys, expressions};
pub(crate) use open::{Jobs, accept, cannot_read, unchanged};
pub(crate) use pick::place_of;
pub(crate) use spool::Scratch;
