//! Whether the machine swaps back and forth. Pages that went out once and stay there cost nothing; those that go out and
//! come in at the same time cost everything, so the smaller of both rates is what counts (as GNU parallel's `--noswap`
//! looks at their product).

use std::{path::Path, time::Duration};

use super::{Reading, text};

const FILE: &str = "proc/vmstat";
const PAGE: f64 = 4096.0;

#[derive(Debug, Default)]
pub(super) struct Gauge {
    before: Option<Swapped>,
}

/// Pages since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Swapped {
    into: u64,
    out: u64,
}

impl Gauge {
    /// Bytes a second; 0 at the first look.
    pub(super) fn read(&mut self, root: &Path, since: Option<Duration>) -> Reading<f64> {
        let now = swapped(&text::file(root, FILE)?).ok_or_else(|| text::missing(FILE, "pswpin"))?;
        let before = self.before.replace(now);
        Ok(before.zip(since).map_or(0.0, |(before, since)| rate(before, now, since)))
    }
}

fn swapped(text: &str) -> Option<Swapped> {
    Some(Swapped { into: text::field(text, "pswpin")?, out: text::field(text, "pswpout")? })
}

fn rate(before: Swapped, now: Swapped, since: Duration) -> f64 {
    let pages = now.into.saturating_sub(before.into).min(now.out.saturating_sub(before.out));
    if since.is_zero() { 0.0 } else { pages as f64 * PAGE / since.as_secs_f64() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_in_and_out_since_boot() {
        let captured = "nr_free_pages 5916433\npgpgin 1196413\npgpgout 3\npswpin 17\npswpout 29\npgalloc_dma 0\n";
        assert_eq!(swapped(captured), Some(Swapped { into: 17, out: 29 }));
        assert_eq!(swapped("pgpgin 1\n"), None);
    }

    #[test]
    fn only_back_and_forth_counts() {
        let second = Duration::from_secs(1);
        let before = Swapped { into: 100, out: 100 };
        assert!(rate(before, Swapped { into: 100, out: 900 }, second).abs() < f64::EPSILON, "written out for good");
        assert!((rate(before, Swapped { into: 110, out: 900 }, second) - 40_960.0).abs() < 1e-6);
        assert!(rate(before, before, Duration::ZERO).abs() < f64::EPSILON);
    }
}
