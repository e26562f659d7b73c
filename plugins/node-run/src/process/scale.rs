//! What a process and its descendants hold while they run.
//!
//! The kernel tells the peak of a process at its end, but not of one that stayed smaller than the host, and of a family
//! only that of its largest member. Where somebody decides by memory it is therefore looked at now and then, the more
//! rarely the longer it runs.

use std::{fs, pin::Pin, time::Duration};

use tokio::time::{Instant, Sleep, sleep};

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// Members of a family that are looked at; more than this are not worth the time.
const MEMBERS_MAX: usize = 256;

/// Weighs one process, or none.
#[derive(Debug)]
pub(super) struct Scale {
    pid: i32,
    peak: Option<u64>,
    pause: Duration,
    next: Option<Pin<Box<Sleep>>>,
}

impl Scale {
    /// Looks at once where it `is_wanted`, and never where it is not.
    pub(super) fn new(pid: i32, is_wanted: bool) -> Self {
        let next = is_wanted.then(|| Box::pin(sleep(FIRST_PAUSE)));
        let mut scale = Self { pid, peak: None, pause: FIRST_PAUSE, next };
        if is_wanted {
            scale.look();
        }
        scale
    }

    /// Ready when it has looked again. May be dropped and called again.
    pub(super) async fn turn(&mut self) {
        let Some(next) = &mut self.next else { return std::future::pending().await };
        next.as_mut().await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        next.as_mut().reset(Instant::now() + self.pause);
        self.look();
    }

    /// The most that was seen, in bytes.
    pub(super) fn peak(&self) -> Option<u64> {
        self.peak
    }

    fn look(&mut self) {
        let own = status(self.pid).and_then(|text| field(&text, "VmHWM:"));
        self.peak = self.peak.max(own).max(Some(family(self.pid)).filter(|bytes| *bytes > 0));
    }
}

/// What a process and its descendants hold for themselves, in bytes.
fn family(root: i32) -> u64 {
    let (mut members, mut place, mut bytes) = (vec![root], 0, 0);
    while let Some(pid) = members.get(place).copied().filter(|_| place < MEMBERS_MAX) {
        if let Some(text) = status(pid) {
            bytes += own(&text);
        }
        members.extend(children(pid));
        place += 1;
    }
    bytes
}

fn children(pid: i32) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}

fn status(pid: i32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/status")).ok()
}

/// Pages that belong to a process alone, or to those it shares memory with: not those of files, which others use too.
fn own(status: &str) -> u64 {
    field(status, "RssAnon:").unwrap_or_default() + field(status, "RssShmem:").unwrap_or_default()
}

/// A field in kB as bytes.
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_counts_in_kib() {
        let text =
            "Name:\tsh\nVmHWM:\t    1100 kB\nRssAnon:\t     300 kB\nRssFile:\t     800 kB\nRssShmem:\t       4 kB\n";
        assert_eq!((field(text, "VmHWM:"), own(text)), (Some(1100 << 10), 304 << 10));
        assert_eq!(field("State:\tZ (zombie)\n", "VmHWM:"), None);
    }

    #[test]
    fn this_process_holds_something_and_one_that_is_gone_nothing() {
        let me = i32::try_from(std::process::id()).unwrap();
        assert!(family(me) > 100 << 10);
        assert_eq!(family(i32::MAX), 0);
    }
}
