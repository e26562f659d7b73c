//! What an attempt used, as far as somebody measures it.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// What a job used, told when its attempt has ended.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Usage {
    /// How long the attempt held its slot.
    pub ran: Duration,
    /// The most memory that its processes held at once, in bytes. `None` where that was not measured.
    pub peak_memory: Option<u64>,
    /// How long its processes kept a CPU busy. `None` where that was not measured.
    pub cpu_time: Option<Duration>,
}

impl Usage {
    /// An attempt that ran for `ran`.
    pub fn new(ran: Duration) -> Self {
        Self { ran, peak_memory: None, cpu_time: None }
    }

    /// With the most memory that it held, in bytes, and how long it kept a CPU busy.
    #[must_use]
    pub fn measured(mut self, peak_memory: u64, cpu_time: Duration) -> Self {
        (self.peak_memory, self.cpu_time) = (Some(peak_memory), Some(cpu_time));
        self
    }
}

/// What one attempt asks for. 0 asks for nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Request {
    /// In bytes.
    pub memory: u64,
    /// In thousandths of a CPU.
    pub cpu_milli: u32,
}

/// What the processes of one attempt used so far. Nodes add to it; a superstep holds the memory of all its processes at
/// once, and the peak of an attempt is that of its largest superstep.
#[derive(Debug, Default)]
pub struct UsageMeter {
    /// Whether somebody decides by the memory of processes: then it is worth to look while they run.
    is_watched: bool,
    processes: AtomicU64,
    /// Those whose memory is known.
    weighed: AtomicU64,
    cpu_micros: AtomicU64,
    /// Of the superstep that runs.
    step_bytes: AtomicU64,
    /// Of the largest superstep before it.
    peak_bytes: AtomicU64,
}

impl UsageMeter {
    /// A meter for somebody who decides by the memory of processes.
    pub fn watched() -> Self {
        Self { is_watched: true, ..Self::default() }
    }

    /// Whether it is worth to look at the memory of a process while it runs, where it is not known at its end.
    pub fn is_watched(&self) -> bool {
        self.is_watched
    }

    /// A process has ended, which kept a CPU busy for `cpu` and held `peak` bytes at most, if that is known.
    pub fn process(&self, cpu: Duration, peak: Option<u64>) {
        self.processes.fetch_add(1, Relaxed);
        self.cpu_micros.fetch_add(u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX), Relaxed);
        if let Some(peak) = peak {
            self.weighed.fetch_add(1, Relaxed);
            self.step_bytes.fetch_add(peak, Relaxed);
        }
    }

    /// A superstep is over: what its processes held is free again.
    pub fn next_step(&self) {
        if self.weighed.load(Relaxed) > 0 {
            let step = self.step_bytes.swap(0, Relaxed);
            self.peak_bytes.fetch_max(step, Relaxed);
        }
    }

    /// What was used, of an attempt that ran for `ran`.
    pub fn read(&self, ran: Duration) -> Usage {
        let mut usage = Usage::new(ran);
        if self.processes.load(Relaxed) > 0 {
            usage.cpu_time = Some(Duration::from_micros(self.cpu_micros.load(Relaxed)));
        }
        if self.weighed.load(Relaxed) > 0 {
            usage.peak_memory = Some(self.peak_bytes.load(Relaxed).max(self.step_bytes.load(Relaxed)));
        }
        usage
    }
}

/// A copy has what was measured so far, and goes its own way.
impl Clone for UsageMeter {
    fn clone(&self) -> Self {
        let copy = |number: &AtomicU64| AtomicU64::new(number.load(Relaxed));
        Self {
            is_watched: self.is_watched,
            processes: copy(&self.processes),
            weighed: copy(&self.weighed),
            cpu_micros: copy(&self.cpu_micros),
            step_bytes: copy(&self.step_bytes),
            peak_bytes: copy(&self.peak_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAN: Duration = Duration::from_secs(9);

    #[test]
    fn an_attempt_without_processes_measures_nothing() {
        let meter = UsageMeter::default();
        meter.next_step();
        assert_eq!(meter.read(RAN), Usage::new(RAN));
        meter.process(RAN, None);
        assert_eq!((meter.read(RAN).cpu_time, meter.read(RAN).peak_memory), (Some(RAN), None));
    }

    #[test]
    fn processes_of_a_superstep_add_up_and_the_largest_superstep_is_the_peak() {
        let meter = UsageMeter::default();
        let second = Duration::from_secs(1);
        for step in [&[300, 200][..], &[450], &[100, 100]] {
            step.iter().for_each(|peak| meter.process(second, Some(*peak)));
            meter.next_step();
        }
        meter.process(second, Some(20));
        assert_eq!(meter.read(RAN), Usage::new(RAN).measured(500, 6 * second));
        meter.process(second, Some(600));
        assert_eq!(meter.read(RAN).peak_memory, Some(620));
    }
}
