//! Starting processes, and never losing one.
//!
//! A few threads of our own start all processes. They never end, because the kernel ties `PR_SET_PDEATHSIG` to the
//! *thread* that made the child; and they sleep while a child turns into its program, which a task must not.
//! std's `pre_exec` would give the same set-up at the price of std's fast path.

mod child;
mod command;
mod reaper;
mod sys;
mod threads;

pub(crate) use child::Child;
pub(crate) use command::{Command, environment_entry};
pub(crate) use sys::watch;
pub(crate) use threads::{Pipes, SpawnError, spawn};

#[cfg(test)]
mod tests;
