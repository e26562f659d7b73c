//! The store as a host uses it.

mod catalogue;
mod checkpoints;
mod journal;
mod outlook;
mod owner;
mod power;
mod reading;
mod refusals;
mod support;
mod trouble;
mod usage;
