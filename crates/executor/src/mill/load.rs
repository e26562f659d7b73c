//! How much memory the results take that wait to be recorded.
//!
//! Dispatch bounds how many there are. Results may be large, so of durable batches their bytes are bounded too: at the
//! bound nothing starts until some are recorded.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use batchmill_core::JobResult;
use batchmill_dispatch::Event;
use serde_json::Value;

use crate::Workload;

use super::{Shared, outlet::Outlet};

/// Bytes of results that may wait, about.
const LIMIT: usize = 16 << 20;

/// Bytes of results that wait, of all durable batches of a host.
#[derive(Debug, Default)]
pub(super) struct Load(AtomicUsize);

impl<W: Workload> Shared<W> {
    /// So many bytes of results wait now.
    fn load(self: &Arc<Self>, bytes: usize) {
        let before = self.load.0.fetch_add(bytes, Ordering::AcqRel);
        self.weigh(before, before + bytes);
    }

    /// Hands results of a durable batch over. They are counted before: who records them may be done with them at once.
    pub(super) fn push_counted(self: &Arc<Self>, outlet: &Outlet, results: &mut Vec<JobResult>) {
        let bytes = results.iter().map(size).sum();
        self.load(bytes);
        if !outlet.push_if_open(results) {
            // The host breaks down.
            self.unload(bytes);
        }
    }

    /// So many do not wait any more.
    pub(super) fn unload(self: &Arc<Self>, bytes: usize) {
        let before = self.load.0.fetch_sub(bytes, Ordering::AcqRel);
        self.weigh(before, before - bytes);
    }

    /// Tells dispatch where the bound was crossed. What it is told is read under the lock, so that the last word is true
    /// whoever comes first.
    fn weigh(self: &Arc<Self>, before: usize, after: usize) {
        if (before > LIMIT) != (after > LIMIT) {
            let mut brain = self.lock();
            let crowded = self.load.0.load(Ordering::Acquire) > LIMIT;
            brain.take(self, Event::Crowded { crowded });
        }
    }
}

/// A result without output and error.
pub(super) const RESULT: usize = 256;

/// About as many bytes as it takes to write a result down.
pub(super) fn size(result: &JobResult) -> usize {
    let error = result.error.as_ref().map_or(0, |error| {
        let history: usize = error.history.iter().map(|t| RESULT + t.message.len()).sum();
        error.message.len() + error.output.as_deref().map_or(0, weight) + history
    });
    RESULT + result.output.as_ref().map_or(0, weight) + error
}

fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(values) => values.iter().map(weight).sum::<usize>() + 2,
        Value::Object(fields) => fields.iter().map(|(key, value)| key.len() + 4 + weight(value)).sum::<usize>() + 2,
    }
}
