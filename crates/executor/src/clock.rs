//! The only place that reads clocks.

use std::time::{SystemTime, UNIX_EPOCH};

use batchmill_core::{MonoTime, WallTime};
use tokio::time::Instant;

/// The host's monotonic clock, and where it stood on the wall clock when the host started. It is tokio's, so that a test
/// that pauses tokio's time pauses this one too.
///
/// Wall times of results are made from monotonic ones, so that a jump of the wall clock never makes a job end before it
/// started.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
    wall_at_start: WallTime,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = i64::try_from(wall.as_micros()).unwrap_or(i64::MAX);
        Self { start: Instant::now(), wall_at_start: WallTime::from_micros(micros) }
    }

    /// The present moment.
    pub fn now(&self) -> MonoTime {
        MonoTime::ZERO + self.start.elapsed()
    }

    /// A monotonic moment on the wall clock.
    pub fn wall(&self, moment: MonoTime) -> WallTime {
        self.wall_at_start + moment.since(MonoTime::ZERO)
    }

    /// A wall moment on the monotonic clock; moments before the start are the start.
    pub fn mono(&self, moment: WallTime) -> MonoTime {
        MonoTime::ZERO + moment.since(self.wall_at_start)
    }

    /// The moment as tokio sees it.
    pub(crate) fn tokio(&self, moment: MonoTime) -> Instant {
        self.start + moment.since(MonoTime::ZERO)
    }
}
