//! The store as a host uses it.

mod checkpoints;
mod journal;
mod owner;
mod support;
