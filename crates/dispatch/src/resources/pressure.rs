//! What the body read of the machine.

/// One look at what memory, CPUs and swap bear. What was not read is absent, and closes no gate.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Pressure {
    /// Memory in use, and how much may be.
    pub memory: Option<MemoryUse>,
    /// What the host holds itself, in bytes.
    pub own: u64,
    /// Share of the last 10 s in which some task waited for memory, in percent.
    pub stall: Option<f64>,
    /// Tasks that run or wait for a CPU, a CPU of those available.
    pub load: Option<f64>,
    /// Bytes a second that go out to swap and come back.
    pub swapping: Option<f64>,
}

/// Memory in use, and how much may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryUse {
    /// In bytes.
    pub used: u64,
    /// In bytes; not 0.
    pub limit: u64,
}

impl MemoryUse {
    /// Used over allowed, in percent, rounded down.
    pub fn percent(self) -> u32 {
        let percent = u128::from(self.used) * 100 / u128::from(self.limit.max(1));
        u32::try_from(percent).unwrap_or(u32::MAX)
    }
}
