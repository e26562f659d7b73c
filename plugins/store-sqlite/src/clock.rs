//! The wall clock, for what people read: who has owned a batch since when, and when it ended. No decision looks at it.

use std::time::{SystemTime, UNIX_EPOCH};

use batchmill_core::WallTime;

pub(crate) fn now() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
