//! Wall time and CPU time.

use std::{fs, time::Instant};

use rustix::time::{ClockId, clock_gettime};

use super::Sample;

/// Measures from its start on.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    wall: Instant,
    cpu_seconds: f64,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        let cpu_seconds = cpu_seconds();
        Self { wall: Instant::now(), cpu_seconds }
    }

    /// How long it took; with the CPU time, of this process and of its children that have ended, over `jobs`.
    pub(crate) fn seconds(&self, jobs: u32) -> Sample {
        let wall = self.wall.elapsed().as_secs_f64();
        Sample::costing(wall, cpu_seconds() - self.cpu_seconds, jobs)
    }

    /// So many jobs a second. A side says with `done` how many were done right: less than all is an error.
    pub(crate) fn rate(&self, jobs: u32, done: u64) -> Result<Sample, String> {
        let sample = self.seconds(jobs);
        if done == u64::from(jobs) {
            Ok(sample.into_rate(jobs))
        } else {
            Err(format!("{done} of {jobs} jobs were done"))
        }
    }
}

/// User and system time so far.
fn cpu_seconds() -> f64 {
    let own = clock_gettime(ClockId::ProcessCPUTime);

    let own = own.tv_sec as f64 + own.tv_nsec as f64 / 1e9;
    own + children_seconds(&fs::read_to_string("/proc/self/stat").unwrap_or_default())
}

/// Of children that were waited for, in the kernel's ticks of 10 ms: fine enough for thousands of them.
fn children_seconds(stat: &str) -> f64 {
    const TICKS_PER_SECOND: f64 = 100.0;
    // Fields after the command name, which may contain blanks: cutime and cstime are the 14th and 15th.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(13).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_SECOND
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_children_is_found_behind_any_name() {
        let stat = "7 (a ) b) R 1 7 7 0 -1 4194304 95 0 0 0 11 12 250 150 20 0 1 0";
        assert_eq!(children_seconds(stat), 4.0);
    }

    #[test]
    fn jobs_that_were_not_done_are_an_error() {
        let stopwatch = Stopwatch::start();
        assert!(stopwatch.rate(10, 10).is_ok());
        assert_eq!(stopwatch.rate(10, 9).unwrap_err(), "9 of 10 jobs were done");
    }
}
