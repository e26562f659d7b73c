//! What one run of an expression may use, counted where values are made.
//!
//! jaq itself has no limits. Every loop in it goes through operations on values, so the value type of this module's
//! siblings counts them here; once a limit is reached every fallible operation fails at once and the run unwinds.
//! A run never leaves its thread, which is why a thread-local is enough and costs no pointer in every value.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use batchmill_core::{ErrorClass, NodeError};

/// Bounds of one run of an expression. All are finite by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Values that a run may yield.
    pub outputs: usize,
    /// Operations on values.
    pub steps: u64,
    /// Bytes of the values that a run makes, all together.
    pub bytes: usize,
    /// Time, looked at once every few thousand operations.
    pub time: Duration,
}

impl Limits {
    /// The bounds that flows use.
    pub const DEFAULT: Self = Self { outputs: 10_000, steps: 4_000_000, bytes: 64 << 20, time: Duration::from_secs(1) };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The most lists and objects that a computed value may have inside each other. Readers of JSON commonly refuse 128.
pub(crate) const MAX_DEPTH: u32 = 100;

/// How deep updates may nest: each level is a level of the thread's stack.
const MAX_NESTING: u32 = MAX_DEPTH + 30;

/// How many steps pass between two looks at the clock.
const STRIDE: u64 = 4096;

/// Which limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exceeded {
    Outputs,
    Steps,
    Bytes,
    Time,
    Depth,
}

impl Exceeded {
    fn message(self, limits: &Limits) -> String {
        match self {
            Self::Outputs => format!("yields more than {} values", limits.outputs),
            Self::Steps => format!("needs more than {} steps", limits.steps),
            Self::Bytes => format!("makes values of more than {} MiB", limits.bytes >> 20),
            Self::Time => format!("runs longer than {:?}", limits.time),
            Self::Depth => format!("nests more than {MAX_DEPTH} lists and objects"),
        }
    }

    pub(crate) fn error(self, limits: &Limits, shown: &str) -> NodeError {
        let message = format!("the expression {} (`{shown}`)", self.message(limits));
        NodeError::new(ErrorClass::Resource, "expression_limit", message)
    }
}

struct Meter {
    steps: Cell<u64>,
    bytes: Cell<usize>,
    /// The clock is looked at when fewer steps than this are left.
    look_at: Cell<u64>,
    time: Cell<Duration>,
    deadline: Cell<Option<Instant>>,
    nesting: Cell<u32>,
    exceeded: Cell<Option<Exceeded>>,
}

thread_local! {
    static METER: Meter = const {
        Meter {
            steps: Cell::new(0),
            bytes: Cell::new(0),
            look_at: Cell::new(0),
            time: Cell::new(Duration::ZERO),
            deadline: Cell::new(None),
            nesting: Cell::new(0),
            exceeded: Cell::new(None),
        }
    };
}

/// Begins a run on this thread.
pub(crate) fn start(limits: &Limits) {
    METER.with(|meter| {
        meter.steps.set(limits.steps);
        meter.bytes.set(limits.bytes);
        // The first look sets the deadline, so that a short run never asks for the time.
        meter.look_at.set(limits.steps.saturating_sub(STRIDE));
        meter.time.set(limits.time);
        meter.deadline.set(None);
        meter.nesting.set(0);
        meter.exceeded.set(None);
    });
}

/// Counts `count` steps. `false` when the run is over its limits.
pub(crate) fn steps(count: u64) -> bool {
    METER.with(|meter| {
        if meter.exceeded.get().is_some() {
            return false;
        }
        let Some(left) = meter.steps.get().checked_sub(count) else {
            meter.exceeded.set(Some(Exceeded::Steps));
            return false;
        };
        meter.steps.set(left);
        left >= meter.look_at.get() || meter.look(left)
    })
}

/// Counts `count` bytes of a new value, and the steps that filling them takes.
pub(crate) fn bytes(count: usize) -> bool {
    let fits = METER.with(|meter| match meter.bytes.get().checked_sub(count) {
        Some(left) => {
            meter.bytes.set(left);
            true
        }
        None => {
            exceed(Exceeded::Bytes);
            false
        }
    });
    fits && steps(1 + copying(count))
}

/// The steps that copying `count` bytes is worth.
pub(crate) fn copying(count: usize) -> u64 {
    (count / 256) as u64
}

/// Notes a limit; the first one stays.
pub(crate) fn exceed(what: Exceeded) {
    METER.with(|meter| {
        if meter.exceeded.get().is_none() {
            meter.exceeded.set(Some(what));
        }
    });
}

/// Which limit the run has reached.
pub(crate) fn exceeded() -> Option<Exceeded> {
    METER.with(|meter| meter.exceeded.get())
}

/// Goes one level deeper until it is dropped; `None` at the limit.
pub(crate) fn deeper() -> Option<Nested> {
    METER.with(|meter| {
        let nesting = meter.nesting.get() + 1;
        if nesting > MAX_NESTING {
            exceed(Exceeded::Depth);
            return None;
        }
        meter.nesting.set(nesting);
        Some(Nested(()))
    })
}

/// See [`deeper`].
pub(crate) struct Nested(());

impl Drop for Nested {
    fn drop(&mut self) {
        METER.with(|meter| meter.nesting.set(meter.nesting.get().saturating_sub(1)));
    }
}

impl Meter {
    fn look(&self, left: u64) -> bool {
        self.look_at.set(left.saturating_sub(STRIDE));
        let now = Instant::now();
        match self.deadline.get() {
            None => self.deadline.set(Some(now + self.time.get())),
            Some(deadline) if now >= deadline => {
                self.exceeded.set(Some(Exceeded::Time));
                return false;
            }
            Some(_) => {}
        }
        true
    }
}
