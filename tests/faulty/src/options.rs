//! What is wrong, and when.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an extension does wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// It panics while it is made.
    PanicCreate,
    /// It panics while its options are checked.
    PanicCheck,
    /// It says that it cannot be made.
    RefuseCreate,
    /// It panics in a call.
    Panic,
    /// The same, and what the panic carries panics when it is dropped.
    PanicPayload,
    /// It panics when it is dropped.
    PanicDrop,
    /// It does not return from a call.
    Hang,
    /// It accepts a call and never ends it (of sinks).
    Lost,
    /// It answers with a job that is not queued, or a wait of 500 years.
    Absurd,
    /// It answers with the same job twice.
    Twice,
    /// A thread of it panics.
    PanicThread,
}

/// The methods of the traits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is named like the method that it stands for")]
#[non_exhaustive]
pub enum Method {
    Push,
    Pop,
    Remove,
    Len,
    OnFinish,
    HearsFinish,
    CanHold,
    Hold,
    Release,
    Explain,
    PushMany,
    PopMany,
    Shares,
    Weight,
    SetWeight,
    ChargesMemory,
    Memory,
    Recall,
    TakeUsage,
    Decide,
    Budget,
    OnResult,
    Adjust,
    Window,
    Range,
    Write,
    Flush,
    Mark,
    Resume,
    Close,
    Summary,
}

/// The options of each extension.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Options {
    /// What it does wrong.
    pub fault: Fault,
    /// Calls that go well before.
    pub after: u64,
    /// The one method that it does it in. Without it: `pop`, `decide`, `on_result`, `adjust` and `write`.
    pub method: Option<Method>,
}

/// Counts calls, and makes the faults that need no answer.
#[derive(Debug)]
pub(crate) struct Trouble {
    options: Options,
    method: Method,
    calls: AtomicU64,
}

/// Panics again when it is dropped.
struct Mine;

impl Drop for Mine {
    fn drop(&mut self) {
        panic!("and its payload does too");
    }
}

impl Trouble {
    /// Of an extension whose only method with a fault is `main`, unless the options name another.
    pub(crate) fn new(options: Options, main: Method) -> Self {
        Self { method: options.method.unwrap_or(main), options, calls: AtomicU64::new(0) }
    }

    /// Whether it is asked for shares, which it has only then.
    pub(crate) fn is_of_shares(&self) -> bool {
        use Method::{ChargesMemory, Memory, Recall, SetWeight, Shares, TakeUsage, Weight};
        [Shares, Weight, SetWeight, ChargesMemory, Memory, Recall, TakeUsage].contains(&self.method)
    }

    /// What is wrong with this call; panics and hangs happen here.
    pub(crate) fn call(&self, method: Method) -> Fault {
        if method != self.method {
            return Fault::None;
        }
        metrics::counter!("faulty_calls").increment(1);
        if self.calls.fetch_add(1, Ordering::Relaxed) < self.options.after {
            return Fault::None;
        }
        // The hook is that of this library alone: a thousand panics need no thousand backtraces, each of which takes longer than
        // all else.
        std::panic::set_hook(Box::new(|_| {}));
        match self.options.fault {
            Fault::Panic => panic!("it panics in a call"),
            Fault::PanicPayload => std::panic::panic_any(Mine),
            Fault::Hang => loop {
                thread::park();
            },
            Fault::PanicThread => {
                let _ = thread::spawn(|| panic!("a thread of it panics")).join();
            }
            _ => {}
        }
        self.options.fault
    }
}

impl Options {
    /// Nothing is wrong with them.
    pub(crate) fn problems(&self) -> Vec<batchmill_core::Problem> {
        assert!(self.fault != Fault::PanicCheck, "it panics while its options are checked");
        Vec::new()
    }
}

impl Drop for Trouble {
    fn drop(&mut self) {
        if self.options.fault == Fault::PanicDrop && !thread::panicking() {
            std::panic::set_hook(Box::new(|_| {}));
            panic!("it panics when it is dropped");
        }
    }
}
