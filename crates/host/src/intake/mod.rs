//! Intake: jobs from a file or stdin, validated to the last line before anything runs, then read again from disk one by
//! one as they start.
//!
//! ```text
//! file ──────────────► lines ──► line (rules of a job) ──► flow's input schema ──► index ──► JsonLines: JobSource
//! stdin, pipe ─► spool ─┘                                                            └─► duplicate ids
//! ```

mod duplicates;
mod index;
mod json;
mod jsonl;
mod line;
mod lines;
mod open;
mod spool;

pub(crate) use index::Defaults;
pub(crate) use jsonl::{JsonLines, Rules};
pub(crate) use open::{Jobs, cannot_read, open};
