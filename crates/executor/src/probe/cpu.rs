//! How busy the CPUs are that this process may use.

use std::{path::Path, thread, time::Duration};

use super::{Reading, Unavailable, text};

const STAT: &str = "proc/stat";

/// How much of the CPU is used, between two looks.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    before: Option<Ticks>,
}

/// Ticks of all CPUs since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticks {
    busy: u64,
    all: u64,
}

impl Gauge {
    /// 0 to 1; 0 at the first look.
    pub(super) fn read(&mut self, root: &Path, _since: Option<Duration>) -> Reading<f64> {
        let now = ticks(&text::file(root, STAT)?).ok_or_else(|| text::missing(STAT, "cpu"))?;
        let before = self.before.replace(now);
        Ok(before.map_or(0.0, |before| busy_share(before, now)))
    }
}

/// `cpu  user nice system idle iowait irq softirq steal guest guest_nice`; guests are in user and nice already.
fn ticks(text: &str) -> Option<Ticks> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let numbers: Vec<u64> = line.split_whitespace().take(8).map_while(|word| word.parse().ok()).collect();
    let [_, _, _, idle, rest @ ..] = &numbers[..] else { return None };
    let all: u64 = numbers.iter().sum();
    Some(Ticks { busy: all - idle - rest.first().copied().unwrap_or_default(), all })
}

fn busy_share(before: Ticks, now: Ticks) -> f64 {
    let (busy, all) = (now.busy.saturating_sub(before.busy), now.all.saturating_sub(before.all));
    if all == 0 { 0.0 } else { (busy as f64 / all as f64).min(1.0) }
}

/// Tasks that run or wait for a CPU: one look is chance, so it is averaged.
#[derive(Debug, Default)]
pub(super) struct LoadGauge {
    mean: Option<f64>,
}

/// A look that is so old counts by a third.
const MEMORY: Duration = Duration::from_secs(1);

impl LoadGauge {
    /// A CPU of those available.
    pub(super) fn read(&mut self, root: &Path, since: Option<Duration>) -> Reading<f64> {
        let running = text::field(&text::file(root, STAT)?, "procs_running")
            .ok_or_else(|| text::missing(STAT, "procs_running"))?;
        let cpus = thread::available_parallelism().map_err(|error| Unavailable::new(format!("CPUs: {error}")))?;
        // The reader itself runs.
        let now = running.saturating_sub(1) as f64 / cpus.get() as f64;
        let mean = average(self.mean, now, since.unwrap_or_default());
        self.mean = Some(mean);
        Ok(mean)
    }
}

fn average(before: Option<f64>, now: f64, since: Duration) -> f64 {
    let Some(before) = before else { return now };
    let keep = (-since.as_secs_f64() / MEMORY.as_secs_f64()).exp();
    before * keep + now * (1.0 - keep)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPTURED: &str = "cpu  4705 150 1120 16250 520 0 17 38 5 0\ncpu0 2205 70 620 8250 250 0 9 20 2 0\n\
                            intr 33 0 9\nctxt 100\nbtime 1790000000\nprocesses 802\nprocs_running 5\nprocs_blocked 0\n";

    #[test]
    fn waiting_for_a_disk_is_not_busy() {
        assert_eq!(ticks(CAPTURED), Some(Ticks { busy: 4705 + 150 + 1120 + 17 + 38, all: 22_800 }));
        for other in ["", "cpu0 1 2 3 4\n", "cpu  1 2\n"] {
            assert_eq!(ticks(other), None, "{other}");
        }
        assert_eq!(text::field(CAPTURED, "procs_running"), Some(5));
    }

    #[test]
    fn the_share_is_that_of_the_time_between() {
        let (before, now) = (Ticks { busy: 100, all: 1000 }, Ticks { busy: 250, all: 1200 });
        assert!((busy_share(before, now) - 0.75).abs() < 1e-9);
        assert!(busy_share(now, now).abs() < f64::EPSILON, "no time has passed");
    }

    #[test]
    fn the_load_follows_within_seconds_and_one_look_is_not_all() {
        let mut load = average(None, 0.0, Duration::ZERO);
        load = average(Some(load), 8.0, Duration::from_millis(250));
        assert!((1.0..3.0).contains(&load), "{load}");
        for _ in 0..20 {
            load = average(Some(load), 8.0, Duration::from_millis(250));
        }
        assert!(load > 7.9, "{load}");
    }
}
