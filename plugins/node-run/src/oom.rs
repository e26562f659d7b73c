//! Whether the kernel killed a process because memory ran out.
//!
//! The kernel tells a killed process from another only by a counter: of the cgroup where there are some, else of the
//! machine. A process that died by SIGKILL of which nobody here knows takes one of the kills that were counted since this
//! host began and that no other took. Where no counter can be read, SIGKILL stays a crash.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
};

/// A counter of the kernel's, and how many kills of it have an owner.
#[derive(Debug)]
struct Watch {
    file: PathBuf,
    owned: Mutex<u64>,
}

/// Notes where the counter stands, before the first process is started.
pub(crate) fn begin() {
    watch();
}

/// A process of ours died by SIGKILL that nobody of ours sent: true if the kernel did, for want of memory.
pub(crate) fn claim() -> bool {
    watch().as_ref().is_some_and(Watch::claim)
}

fn watch() -> &'static Option<Watch> {
    static WATCH: OnceLock<Option<Watch>> = OnceLock::new();
    WATCH.get_or_init(|| Watch::at(Path::new("/")))
}

impl Watch {
    /// Of the first counter that can be read: the most exact first.
    fn at(root: &Path) -> Option<Self> {
        let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
        let files = groups.lines().flat_map(counters).chain(["proc/vmstat".to_owned()]);
        files.map(|file| root.join(file)).find_map(|file| {
            let owned = Mutex::new(kills(&fs::read_to_string(&file).ok()?)?);
            Some(Self { file, owned })
        })
    }

    fn claim(&self) -> bool {
        let Some(counted) = fs::read_to_string(&self.file).ok().and_then(|text| kills(&text)) else { return false };
        let mut owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = counted > *owned;
        *owned += u64::from(is_new);
        is_new
    }
}

/// Where the group of a line `number:controllers:path` is counted; in a container its own group is at the top.
fn counters(line: &str) -> Vec<String> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { return Vec::new() };
    let path = path.trim_start_matches('/');
    let of = |mount: &str, file: &str| [format!("{mount}/{path}/{file}"), format!("{mount}/{file}")];
    match controllers {
        "" => [of("sys/fs/cgroup", "memory.events"), of("sys/fs/cgroup/unified", "memory.events")].concat(),
        _ if controllers.split(',').any(|name| name == "memory") => {
            of("sys/fs/cgroup/memory", "memory.oom_control").into()
        }
        _ => Vec::new(),
    }
}

/// `oom_kill N`, in each of the three files.
fn kills(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn each_counted_kill_has_one_owner() {
        let root = tempfile::tempdir().unwrap();
        let count = |kills: u32| write(root.path(), "proc/vmstat", &format!("pswpin 3\noom_kill {kills}\nx 1\n"));
        count(7);
        let watch = Watch::at(root.path()).unwrap();
        assert!(!watch.claim(), "those before count for nobody");
        count(9);
        assert_eq!([watch.claim(), watch.claim(), watch.claim()], [true, true, false]);
    }

    #[test]
    fn the_counter_of_the_group_goes_before_that_of_the_machine() {
        let found = |files: &[(&str, &str)]| {
            let root = tempfile::tempdir().unwrap();
            files.iter().for_each(|(path, text)| write(root.path(), path, text));
            let watch = Watch::at(root.path())?;
            Some(watch.file.strip_prefix(root.path()).unwrap().display().to_string())
        };
        let machine = ("proc/vmstat", "oom_kill 0\n");
        assert_eq!(found(&[machine]).unwrap(), "proc/vmstat");
        assert_eq!(found(&[("proc/vmstat", "pswpin 0\n")]), None);
        let second = ("sys/fs/cgroup/a/b/memory.events", "low 0\noom 1\noom_kill 1\n");
        assert_eq!(found(&[machine, ("proc/self/cgroup", "0::/a/b\n"), second]).unwrap(), second.0);
        let first = ("sys/fs/cgroup/memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
        let groups = ("proc/self/cgroup", "4:memory:/seen/by/the/machine\n1:cpu:/\n0::/\n");
        assert_eq!(found(&[machine, groups, first]).unwrap(), first.0);
    }

    #[test]
    fn the_kernel_of_this_machine_counts() {
        assert!(Watch::at(Path::new("/")).is_some_and(|watch| !watch.claim()));
    }
}
