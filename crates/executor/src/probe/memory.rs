//! How full the memory is.
//!
//! A process is killed when any limit above it is reached: those of its cgroups, or the end of the machine. So what is in
//! use is told of the tightest. Pages of files that nobody has touched lately do not count as in use: they go first.
//! Layouts: the kernel's documents *Control Group v2* and *cgroup-v1/memory*, and proc_meminfo(5).

use std::{fs, path::Path};

use super::{Reading, Unavailable, text, text::field, tree};

/// Memory in use, and how much may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryReading {
    /// In bytes.
    pub used: u64,
    /// In bytes; not 0.
    pub limit: u64,
}

impl MemoryReading {
    fn of(used: u64, limit: u64) -> Option<Self> {
        (limit > 0).then_some(Self { used, limit })
    }

    /// Used over allowed; above 1 where more is used than may be.
    pub fn share(&self) -> f64 {
        self.used as f64 / self.limit as f64
    }

    fn tighter(self, other: Self) -> Self {
        if other.share() > self.share() { other } else { self }
    }
}

/// Memory against a limit of our own, and those of others.
#[derive(Debug)]
pub(super) struct Gauge {
    limit: Option<u64>,
}

impl Gauge {
    pub(super) fn new(limit: Option<u64>) -> Self {
        Self { limit }
    }

    /// The tightest, and what this process holds itself.
    pub(super) fn read(&self, root: &Path) -> (Reading<MemoryReading>, Reading<u64>) {
        let probe = MemoryProbe { root };
        let tree = tree::read(root);
        let own = tree.clone().map(|tree| tree.own);
        let groups = probe.groups().reduce(MemoryReading::tighter);
        let reading = match self.limit {
            Some(limit) => tree.and_then(|tree| {
                let ours = MemoryReading::of(tree.all, limit).ok_or_else(|| Unavailable::new("the limit is 0"))?;
                Ok(groups.map_or(ours, |groups| ours.tighter(groups)))
            }),
            None => groups.map_or_else(|| probe.machine(), Ok),
        };
        (reading, own)
    }
}

/// What the kernel shows of memory at this moment.
#[derive(Debug, Clone, Copy)]
pub struct MemoryProbe<'r> {
    /// `/`, but in tests.
    root: &'r Path,
}

/// The names of the same three things in the two versions of cgroups.
struct Layout {
    used: &'static str,
    limit: &'static str,
    /// In `memory.stat`.
    idle: &'static str,
}

const V1: Layout =
    Layout { used: "memory.usage_in_bytes", limit: "memory.limit_in_bytes", idle: "total_inactive_file" };
const V2: Layout = Layout { used: "memory.current", limit: "memory.max", idle: "inactive_file" };

impl Default for MemoryProbe<'_> {
    fn default() -> Self {
        Self { root: Path::new("/") }
    }
}

impl MemoryProbe<'_> {
    /// Memory in use as a share of the tightest limit, from 0 to 1. `None` where the kernel does not say.
    pub fn used_share(&self) -> Option<f64> {
        let shares = self.groups().chain(self.machine().ok()).map(|reading| reading.share());
        shares.reduce(f64::max).map(|share| share.clamp(0.0, 1.0))
    }

    /// How much memory there may be, in bytes: the smallest limit of a cgroup, or what the machine has.
    pub fn capacity(&self) -> Reading<u64> {
        let machine = self.machine().map(|machine| machine.limit);
        self.groups().map(|group| group.limit).chain(machine.clone().ok()).min().map_or(machine, Ok)
    }

    fn machine(&self) -> Reading<MemoryReading> {
        const FILE: &str = "proc/meminfo";
        let text = text::file(self.root, FILE)?;
        let number = |name| text::kib(&text, name).ok_or_else(|| text::missing(FILE, name));
        let (total, available) = (number("MemTotal:")?, number("MemAvailable:")?);
        MemoryReading::of(total.saturating_sub(available), total).ok_or_else(|| text::missing(FILE, "MemTotal:"))
    }

    /// The tightest limit of each hierarchy of cgroups that has one.
    fn groups(&self) -> impl Iterator<Item = MemoryReading> {
        let text = fs::read_to_string(self.root.join("proc/self/cgroup")).unwrap_or_default();
        let groups: Vec<MemoryReading> = text.lines().filter_map(|line| self.group(line)).collect();
        groups.into_iter()
    }

    /// The tightest limit of a group and those above it, given its line `number:controllers:path`.
    fn group(&self, line: &str) -> Option<MemoryReading> {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let path = Path::new(path.trim_start_matches('/'));
        // In a container the path may be that of the machine; its own group is then the top of what it sees.
        let tightest = |mount: &str, layout: &Layout| {
            let mount = self.root.join(mount);
            path.ancestors().filter_map(|group| reading(&mount.join(group), layout)).reduce(MemoryReading::tighter)
        };
        match controllers {
            "" => ["sys/fs/cgroup", "sys/fs/cgroup/unified"].iter().find_map(|mount| tightest(mount, &V2)),
            _ if controllers.split(',').any(|name| name == "memory") => tightest("sys/fs/cgroup/memory", &V1),
            _ => None,
        }
    }
}

/// `None` where there is no such group, or no limit.
fn reading(group: &Path, layout: &Layout) -> Option<MemoryReading> {
    let number = |file: &str| fs::read_to_string(group.join(file)).ok()?.trim().parse::<u64>().ok();
    // Version 2 says `max` for none, version 1 a number near 2^63.
    let limit = number(layout.limit).filter(|limit| *limit < 1 << 60)?;
    let idle = fs::read_to_string(group.join("memory.stat")).ok().and_then(|text| field(&text, layout.idle));
    MemoryReading::of(number(layout.used)?.saturating_sub(idle.unwrap_or_default()), limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The share where the kernel shows these files.
    fn share_of(files: &[(&str, &str)]) -> Option<f64> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        MemoryProbe { root: root.path() }.used_share()
    }

    /// The reading against a limit of our own, where the kernel shows these files.
    fn read(limit: Option<u64>, files: &[(&str, &str)]) -> Reading<MemoryReading> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Gauge::new(limit).read(root.path()).0
    }

    #[test]
    fn a_limit_of_our_own_is_one_more_beside_those_of_groups_and_without_any_it_is_the_machine() {
        let mut files =
            vec![HALF, ("proc/self/status", "Name:\tx\nRssAnon:\t 600 kB\n"), ("proc/self/task/1/children", "")];
        let of = |used: u64, limit: u64| Ok(MemoryReading { used, limit });
        assert_eq!(read(None, &files), of(500 << 10, 1000 << 10));
        assert_eq!(read(Some(1000 << 10), &files), of(600 << 10, 1000 << 10));
        files.extend([
            ("proc/self/cgroup", "0::/a\n"),
            ("sys/fs/cgroup/a/memory.max", "1000000\n"),
            ("sys/fs/cgroup/a/memory.current", "900000\n"),
        ]);
        assert_eq!(read(Some(1000 << 10), &files), of(900_000, 1_000_000));
        assert_eq!(read(Some(640 << 10), &files), of(600 << 10, 640 << 10));
        assert_eq!(read(None, &files), of(900_000, 1_000_000));
    }

    #[test]
    fn there_may_be_as_much_as_the_smallest_limit_says() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let capacity = || MemoryProbe { root: root.path() }.capacity();
        assert!(capacity().is_err());
        write(HALF.0, HALF.1);
        assert_eq!(capacity(), Ok(1000 << 10));
        write("proc/self/cgroup", "0::/a\n");
        write("sys/fs/cgroup/a/memory.max", "5000\n");
        write("sys/fs/cgroup/a/memory.current", "1\n");
        assert_eq!(capacity(), Ok(5000));
    }

    const HALF: (&str, &str) = ("proc/meminfo", "MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:  500 kB\n");

    #[test]
    fn without_cgroups_it_is_the_machine() {
        assert_eq!(share_of(&[HALF]), Some(0.5));
        assert_eq!(share_of(&[]), None);
    }

    #[test]
    fn a_group_of_version_2_counts_with_all_above_it() {
        let files = [
            HALF,
            ("proc/self/cgroup", "0::/jobs/batch\n"),
            ("sys/fs/cgroup/jobs/batch/memory.max", "max\n"),
            ("sys/fs/cgroup/jobs/batch/memory.current", "900\n"),
            ("sys/fs/cgroup/jobs/memory.max", "1000\n"),
            ("sys/fs/cgroup/jobs/memory.current", "900\n"),
            ("sys/fs/cgroup/jobs/memory.stat", "anon 700\ninactive_file 100\n"),
        ];
        assert_eq!(share_of(&files), Some(0.8));
    }

    #[test]
    fn a_group_of_version_1_without_a_limit_says_nothing() {
        let files = |limit| {
            [
                HALF,
                ("proc/self/cgroup", "5:cpu,cpuacct:/\n4:hugetlb,memory:/jobs\n0::/\n"),
                ("sys/fs/cgroup/memory/jobs/memory.limit_in_bytes", limit),
                ("sys/fs/cgroup/memory/jobs/memory.usage_in_bytes", "750\n"),
                ("sys/fs/cgroup/memory/jobs/memory.stat", "inactive_file 1\ntotal_inactive_file 50\n"),
            ]
        };
        assert_eq!(share_of(&files("1000\n")), Some(0.7));
        assert_eq!(share_of(&files("9223372036854771712\n")), Some(0.5));
    }

    #[test]
    fn a_container_that_sees_only_its_own_group_finds_it_at_the_top() {
        let files = [
            ("proc/self/cgroup", "0::/kubepods/pod1/container2\n"),
            ("sys/fs/cgroup/memory.max", "1000\n"),
            ("sys/fs/cgroup/memory.current", "250\n"),
        ];
        assert_eq!(share_of(&files), Some(0.25));
    }

    #[test]
    fn the_kernel_of_this_machine_is_understood() {
        let share = MemoryProbe::default().used_share().expect("Linux shows its memory");
        assert!(share > 0.0 && share <= 1.0, "{share}");
    }
}
