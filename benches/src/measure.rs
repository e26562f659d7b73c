//! Rounds and their medians.

use std::{fs, time::Instant};

/// One run of one side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    jobs_per_second: f64,
    cpu_nanos_per_job: f64,
}

impl Round {
    /// Runs `side` and checks that it did all its jobs: it returns how many succeeded.
    pub(crate) fn of(jobs: u32, side: impl FnOnce() -> u64) -> Self {
        let (cpu, wall) = (cpu_seconds(), Instant::now());
        let done = side();
        let (cpu, wall) = (cpu_seconds() - cpu, wall.elapsed().as_secs_f64());
        assert_eq!(done, u64::from(jobs), "a side lost jobs");
        Self { jobs_per_second: f64::from(jobs) / wall, cpu_nanos_per_job: cpu * 1e9 / f64::from(jobs) }
    }
}

/// The rounds of one side.
#[derive(Debug, Default)]
pub(crate) struct Figure(Vec<Round>);

impl Figure {
    pub(crate) fn add(&mut self, round: Round) {
        self.0.push(round);
    }

    pub(crate) fn jobs_per_second(&self) -> f64 {
        self.median(|round| round.jobs_per_second)
    }

    pub(crate) fn cpu_nanos_per_job(&self) -> f64 {
        self.median(|round| round.cpu_nanos_per_job)
    }

    fn median(&self, of: impl Fn(&Round) -> f64) -> f64 {
        let mut values: Vec<f64> = self.0.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    }
}

/// User and system time of this process so far, in the kernel's ticks of 10 ms: fine enough for runs of a second.
fn cpu_seconds() -> f64 {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Fields after the command name, which may contain blanks: utime and stime are the 12th and 13th.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_SECOND
}
