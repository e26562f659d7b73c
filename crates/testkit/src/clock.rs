//! A clock that stands still until it is moved.

use std::time::Duration;

use batchmill_core::MonoTime;

/// The time of a test. It moves only forward, and only by [`advance`](Self::advance) and [`reach`](Self::reach).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FakeClock {
    now: MonoTime,
}

impl FakeClock {
    /// A clock that shows zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// What it shows.
    pub fn now(&self) -> MonoTime {
        self.now
    }

    /// Moves it forward and tells what it shows then.
    pub fn advance(&mut self, by: Duration) -> MonoTime {
        self.now = self.now + by;
        self.now
    }

    /// Moves it to a moment; stays where it is if that has passed.
    pub fn reach(&mut self, moment: MonoTime) -> MonoTime {
        self.now = self.now.max(moment);
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_never_goes_back() {
        let mut clock = FakeClock::new();
        assert_eq!(clock.advance(Duration::from_nanos(5)), MonoTime::from_nanos(5));
        assert_eq!(clock.reach(MonoTime::from_nanos(3)), MonoTime::from_nanos(5));
        assert_eq!(clock.reach(MonoTime::from_nanos(9)), MonoTime::from_nanos(9));
        assert_eq!(clock.now(), MonoTime::from_nanos(9));
    }
}
