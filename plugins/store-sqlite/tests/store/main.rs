//! The store as a host uses it.

mod checkpoints;
mod journal;
mod outlook;
mod owner;
mod support;
