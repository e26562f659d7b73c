//! How full the memory is.
//!
//! A process is killed when any limit above it is reached: those of its cgroups, or the end of the machine. So the share
//! in use is told of the tightest. Pages of files that nobody has touched lately do not count as in use: they go first.
//! Layouts: the kernel's documents *Control Group v2* and *cgroup-v1/memory*, and proc_meminfo(5).

use std::{fs, path::Path};

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
        let groups = fs::read_to_string(self.root.join("proc/self/cgroup")).unwrap_or_default();
        let groups = groups.lines().filter_map(|line| self.group(line));
        groups.chain(self.machine()).reduce(f64::max).map(|share| share.clamp(0.0, 1.0))
    }

    fn machine(&self) -> Option<f64> {
        let text = fs::read_to_string(self.root.join("proc/meminfo")).ok()?;
        let total = field(&text, "MemTotal:")?;
        Some((total - field(&text, "MemAvailable:")?) / total)
    }

    /// The share of the tightest limit of a group and those above it, given its line `number:controllers:path`.
    fn group(&self, line: &str) -> Option<f64> {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let path = Path::new(path.trim_start_matches('/'));
        // In a container the path may be that of the machine; its own group is then the top of what it sees.
        let shares = |mount: &str, layout: &Layout| {
            let mount = self.root.join(mount);
            path.ancestors().filter_map(|group| share(&mount.join(group), layout)).reduce(f64::max)
        };
        match controllers {
            "" => ["sys/fs/cgroup", "sys/fs/cgroup/unified"].iter().find_map(|mount| shares(mount, &V2)),
            _ if controllers.split(',').any(|name| name == "memory") => shares("sys/fs/cgroup/memory", &V1),
            _ => None,
        }
    }
}

/// `None` where there is no such group, or no limit.
fn share(group: &Path, layout: &Layout) -> Option<f64> {
    let number = |file: &str| fs::read_to_string(group.join(file)).ok()?.trim().parse::<f64>().ok();
    // Version 2 says `max` for none, version 1 a number near 2^63.
    let limit = number(layout.limit).filter(|limit| *limit > 0.0 && *limit < 2_f64.powi(60))?;
    let idle = fs::read_to_string(group.join("memory.stat")).ok().and_then(|text| field(&text, layout.idle));
    Some((number(layout.used)? - idle.unwrap_or(0.0)) / limit)
}

/// The number behind `name` on its line.
fn field(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == name).then(|| words.next()?.parse().ok())?
    })
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
