//! The only place that reads clocks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use batchmill_core::{MonoTime, WallTime};
use tokio::time::Instant;

/// What happened under earlier hosts must be a moment too: the clock begins so long before the host does.
const BEFORE: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Where a clock stands when its host starts.
const START: MonoTime = MonoTime::from_nanos(BEFORE.as_secs() * 1_000_000_000);

/// The host's monotonic clock, and where it stood on the wall clock when the host started. It is tokio's, so that a test
/// that pauses tokio's time pauses this one too.
///
/// Wall times of results are made from monotonic ones, so that a jump of the wall clock never makes a job end before it
/// started. It begins ten years before the host: a batch that another host accepted has moments on it like any other.
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
        START + self.start.elapsed()
    }

    /// A monotonic moment on the wall clock.
    pub fn wall(&self, moment: MonoTime) -> WallTime {
        // Three times a job: whole numbers, without a duration and its divisions between.
        let (start, moment) = (START.as_nanos(), moment.as_nanos());
        let apart = i64::try_from(moment.abs_diff(start) / 1000).unwrap_or(i64::MAX);
        let wall = self.wall_at_start.as_micros();
        WallTime::from_micros(if moment < start { wall.saturating_sub(apart) } else { wall.saturating_add(apart) })
    }

    /// A wall moment on the monotonic clock; moments before it begins are its beginning.
    pub fn mono(&self, moment: WallTime) -> MonoTime {
        match moment.since(self.wall_at_start) {
            Duration::ZERO => {
                let before = self.wall_at_start.since(moment).min(BEFORE);
                MonoTime::ZERO + (BEFORE - before)
            }
            after => START + after,
        }
    }

    /// The moment as tokio sees it; what has passed is due.
    pub(crate) fn tokio(&self, moment: MonoTime) -> Instant {
        self.start + moment.since(START)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn moments_of_earlier_hosts_are_on_the_clock() {
        let clock = Clock::start();
        let hour = Duration::from_secs(3600);
        let later = clock.now() + hour;
        let now = clock.wall(clock.now());
        assert_eq!(clock.wall(later).since(now), hour);
        let earlier = WallTime::from_micros(now.as_micros() - 3_600_000_000);
        assert_eq!(clock.now() - clock.mono(earlier), hour);
        for moment in [earlier, now, now + hour] {
            assert_eq!(clock.wall(clock.mono(moment)), moment);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_lies_before_the_clock_is_its_beginning_and_due() {
        let clock = Clock::start();
        assert_eq!(clock.mono(WallTime::from_micros(0)), MonoTime::ZERO);
        assert_eq!(clock.tokio(MonoTime::ZERO), Instant::now());
        assert_eq!(clock.tokio(clock.now() + Duration::from_secs(1)), Instant::now() + Duration::from_secs(1));
    }
}
