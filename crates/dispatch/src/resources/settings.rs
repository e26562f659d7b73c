//! How much there is to share, and what closes a gate.

use std::time::Duration;

use super::Ladder;

/// How much there is to share, and what closes a gate. What is absent is off.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct ResourceSettings {
    /// Memory that the host and the requests of all attempts that run may come to together, in bytes.
    pub memory: Option<u64>,
    /// What the CPU requests of all attempts that run may come to together, in thousandths.
    pub cpu_milli: Option<u32>,
    /// What is done as memory fills up. Needs [`Event::PressureSampled`](crate::Event::PressureSampled) several times a
    /// second.
    pub ladder: Option<Ladder>,
    /// From this load on attempts become fewer: tasks that run or wait for a CPU, a CPU of those available.
    pub max_load: Option<f64>,
    /// The CPUs that are available.
    pub cpus: u32,
    /// From so many bytes a second on that go out to swap and come back, attempts become fewer.
    pub max_swap: Option<f64>,
    /// From this share of time on, in percent, in which some task waits for memory, attempts become fewer.
    pub max_stall: Option<f64>,
    /// A job that does not fit is passed over for so long; then what it needs is kept for it.
    pub reserve_after: Duration,
    /// A job that was ended so often because memory ran short fails when it is once more.
    pub kill_limit: u32,
}

impl Default for ResourceSettings {
    fn default() -> Self {
        Self {
            memory: None,
            cpu_milli: None,
            ladder: None,
            max_load: None,
            cpus: 1,
            max_swap: None,
            max_stall: None,
            reserve_after: Duration::from_secs(300),
            kill_limit: 5,
        }
    }
}

impl ResourceSettings {
    /// Whether anything has to be sampled.
    pub fn samples(&self) -> bool {
        let rates = [self.max_load, self.max_swap, self.max_stall];
        self.ladder.is_some() || rates.iter().any(Option::is_some)
    }

    /// What the host and all requests may come to together: where memory is watched, they stay below the rung that stops, or
    /// what was planned would be stopped.
    pub(crate) fn memory_for_requests(&self) -> Option<u64> {
        let percent = self.ladder.map_or(100, |ladder| ladder.stop);
        let part = u128::from(self.memory?) * u128::from(percent) / 100;
        Some(u64::try_from(part).unwrap_or(u64::MAX))
    }

    pub(crate) fn is_on(&self) -> bool {
        self.samples() || self.memory.is_some() || self.cpu_milli.is_some()
    }
}
