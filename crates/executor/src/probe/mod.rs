//! What the machine, the container and this process's children bear at this moment: the only place that reads it.
//!
//! A probe reads small files of `/proc` and `/sys/fs/cgroup`; what stands in them is understood by pure functions. What
//! cannot be read has a reason, which whoever needs it shows. Nothing here decides.

mod cpu;
mod memory;
mod stall;
mod swap;
mod text;
mod tree;

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Instant,
};

pub use memory::{MemoryProbe, MemoryReading};

/// Why something is not known here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unavailable: {0}")]
pub struct Unavailable(String);

impl Unavailable {
    /// With a reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// What was read, or why it was not.
pub type Reading<T> = Result<T, Unavailable>;

/// One look at everything.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Readings {
    /// Memory in use, against the tightest limit.
    pub memory: Reading<MemoryReading>,
    /// What this process holds for itself, in bytes.
    pub own: Reading<u64>,
    /// Share of the last 10 s in which some task waited for memory, in percent (PSI `some avg10`).
    pub stall: Reading<f64>,
    /// Share of the available CPU that was used since the look before, 0 to 1.
    pub cpu: Reading<f64>,
    /// Tasks that run or wait for a CPU, a CPU of those available, averaged over about a second.
    pub load: Reading<f64>,
    /// Bytes a second that go out to swap and come back: the smaller of the two, since the look before.
    pub swapping: Reading<f64>,
}

/// Looks again and again; rates are between two looks.
pub struct Probe {
    root: PathBuf,
    memory: memory::Gauge,
    cpu: cpu::Gauge,
    load: cpu::LoadGauge,
    swap: swap::Gauge,
    before: Option<Instant>,
}

impl Probe {
    /// A probe that holds memory against `memory_limit` bytes for this process and its descendants, where there is one,
    /// and against the limits of cgroups; where there is none of these, against the machine.
    pub fn new(memory_limit: Option<u64>) -> Self {
        Self::at(Path::new("/"), memory_limit)
    }

    fn at(root: &Path, memory_limit: Option<u64>) -> Self {
        Self {
            root: root.to_owned(),
            memory: memory::Gauge::new(memory_limit),
            cpu: cpu::Gauge::default(),
            load: cpu::LoadGauge::default(),
            swap: swap::Gauge::default(),
            before: None,
        }
    }

    /// Looks.
    pub fn look(&mut self) -> Readings {
        let now = Instant::now();
        let since = self.before.replace(now).map(|before| now - before);
        let (memory, own) = self.memory.read(&self.root);
        Readings {
            memory,
            own,
            stall: stall::read(&self.root),
            cpu: self.cpu.read(&self.root, since),
            load: self.load.read(&self.root, since),
            swapping: self.swap.read(&self.root, since),
        }
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").field("root", &self.root).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_of_this_machine_is_understood() {
        let mut probe = Probe::new(Some(1 << 30));
        probe.look();
        let Readings { memory, own, cpu, load, swapping, .. } = probe.look();
        let memory = memory.unwrap();
        assert!(memory.used > 0 && memory.limit > 0 && memory.limit <= 1 << 30, "{memory:?}");
        assert!(own.unwrap() > 100 << 10);
        assert!((0.0..=1.0).contains(&cpu.unwrap()) && load.unwrap() >= 0.0 && swapping.unwrap() >= 0.0);
    }

    #[test]
    fn what_is_not_there_has_a_reason() {
        let nowhere = tempfile::tempdir().unwrap();
        let readings = Probe::at(nowhere.path(), None).look();
        for reason in [readings.memory.unwrap_err(), readings.stall.unwrap_err(), readings.load.unwrap_err()] {
            assert!(reason.to_string().starts_with("unavailable: "), "{reason}");
        }
    }
}
