//! The kits can fail: each implementation here is broken on purpose in one way, and a named case finds it.

mod checkpointer;
mod failure;
mod governor;
mod journal;
mod retry;
mod scheduler;
mod shares;
mod sink;

use std::fmt::Debug;

use batchmill_testkit::{Case, Ending};

/// The case named `name` must fail what `make` makes.
#[track_caller]
fn caught<T>(flaw: impl Debug, name: &str, cases: &[Case<T>], make: impl Fn() -> T) {
    let case = cases.iter().find(|case| case.name() == name).unwrap_or_else(|| panic!("no case is named {name}"));
    let ending = case.run(make);
    assert!(matches!(ending, Ending::Failed(_)), "{flaw:?} is not caught by {name}: {ending:?}");
}
