//! Intake: jobs from any source, checked to the last one before anything runs, then read again from disk one by one as
//! they start.
//!
//! ```text
//! FILE.jsonl ─────────┐             ┌─► line (rules of a job) ─► flow's input schema ─► index ─► JsonLines: JobSource
//! .json .csv          ├─► records ──┤                                                   └─► duplicate ids
//! lines: glob: stdin ─┘             └─► spool, unless it is read in place
//! ```

mod accept;
mod bad_line;
mod cursor;
mod duplicates;
mod format;
mod glob;
mod index;
mod json;
mod jsonl;
mod line;
mod lines;
mod numbers;
mod open;
mod record;
mod rows;
mod spool;

pub(crate) use accept::Rules;
pub(crate) use bad_line::OnBadLine;
pub(crate) use format::Columns;
pub(crate) use index::Defaults;
pub(crate) use jsonl::JsonLines;
pub(crate) use open::{Jobs, accept, cannot_read};
