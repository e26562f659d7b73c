//! The wall clock, for what people read: what is left of a delay, what is old. No decision about a job looks at it.

use std::time::{SystemTime, UNIX_EPOCH};

use batchmill_core::WallTime;

pub(crate) fn now() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
