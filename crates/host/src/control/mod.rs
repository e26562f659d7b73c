//! The control socket of a running batch: how another program asks how it stands, and steers it.
//!
//! ```text
//! batchmill status|explain|cancel|pause|unpause|drain|limits ─ client ─► <state>/batches/<id>/control.sock ─ server ─► desk ─► batch
//! ```
//! One JSON object a line, request → answer. The socket belongs to the user who runs the batch (mode 0600), and to the host
//! that holds the lock of its folder: a socket that a dead host left is replaced, a live one never.

mod client;
mod desk;
mod limits;
mod protocol;
mod server;
mod socket;

pub(crate) use client::{Client, Unreachable};
pub(crate) use desk::Desk;
pub(crate) use protocol::{Answer, CancelledJob, Live, LiveLimit, Outcome, Paused, PausedBy, Reasoned, Request, Why};
pub(crate) use server::Control;
