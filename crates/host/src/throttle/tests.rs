//! Over folders that look like those of the kernel. What it answers itself is tested on the real program.

use std::path::PathBuf;

use super::*;

struct Kernel(tempfile::TempDir);

impl Kernel {
    fn showing(files: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(root)
    }

    fn throttle(&self, cpus: f64) -> Result<Throttle, NotMade> {
        let cpus = serde_json::from_value(serde_json::json!(cpus)).unwrap();
        Throttle::at(self.0.path(), 7, cpus)
    }

    /// The reason without the folder of the test.
    fn reason(&self) -> String {
        let why = self.throttle(1.5).unwrap_err().to_string();
        why.replace(&self.0.path().display().to_string(), "")
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.path(path)).ok()
    }
}

/// A group of version 2 with processes.
const SCOPE: [(&str, &str); 5] = [
    ("proc/self/cgroup", "0::/jobs.scope\n"),
    ("sys/fs/cgroup/jobs.scope/cgroup.procs", "7\n"),
    ("sys/fs/cgroup/jobs.scope/cgroup.controllers", "cpuset cpu memory\n"),
    ("sys/fs/cgroup/jobs.scope/cgroup.subtree_control", "\n"),
    ("sys/fs/cgroup/jobs.scope/cgroup.type", "domain\n"),
];

#[test]
fn in_version_2_the_group_is_a_threaded_one_and_the_host_stays_where_it_is() {
    let kernel = Kernel::showing(&SCOPE);
    let throttle = kernel.throttle(1.5).unwrap();
    let scope = "sys/fs/cgroup/jobs.scope";
    assert_eq!(throttle.folder(), kernel.path(&format!("{scope}/batchmill-7")));
    assert_eq!(kernel.read(&format!("{scope}/cgroup.subtree_control")).unwrap(), "+cpu");
    assert_eq!(kernel.read(&format!("{scope}/batchmill-7/cgroup.type")).unwrap(), "threaded");
    assert_eq!(kernel.read(&format!("{scope}/batchmill-7/cpu.max")).unwrap(), "150000 100000");
    assert_eq!(kernel.read(&format!("{scope}/cgroup.procs")).unwrap(), "7\n");
}

#[test]
fn below_the_root_of_all_groups_nothing_needs_to_be_threaded_and_what_is_handed_down_already_is_left_alone() {
    let kernel = Kernel::showing(&[
        ("proc/self/cgroup", "0::/\n"),
        ("sys/fs/cgroup/cgroup.procs", "7\n"),
        ("sys/fs/cgroup/cgroup.controllers", "cpu\n"),
        ("sys/fs/cgroup/cgroup.subtree_control", "memory cpu\n"),
    ]);
    let throttle = kernel.throttle(0.01).unwrap();
    assert!(!throttle.asked);
    assert_eq!(kernel.read("sys/fs/cgroup/cgroup.subtree_control").unwrap(), "memory cpu\n");
    assert_eq!(kernel.read("sys/fs/cgroup/batchmill-7/cpu.max").unwrap(), "1000 100000");
    assert_eq!(kernel.read("sys/fs/cgroup/batchmill-7/cgroup.type"), None);
}

#[test]
fn in_version_1_it_is_a_quota_a_period() {
    for mount in ["cpu,cpuacct", "cpu"] {
        let procs = format!("sys/fs/cgroup/{mount}/a/cgroup.procs");
        let groups = ("proc/self/cgroup", "4:memory:/b\n1:cpu,cpuacct:/a\n0::/\n");
        let kernel = Kernel::showing(&[groups, (&procs, "7\n"), ("sys/fs/cgroup/unified/cgroup.procs", "7\n")]);
        let _throttle = kernel.throttle(2.0).unwrap();
        let group = format!("sys/fs/cgroup/{mount}/a/batchmill-7");
        assert_eq!(kernel.read(&format!("{group}/cpu.cfs_period_us")).unwrap(), "100000");
        assert_eq!(kernel.read(&format!("{group}/cpu.cfs_quota_us")).unwrap(), "200000");
    }
}

#[test]
fn a_container_that_sees_only_its_own_group_finds_it_at_the_top() {
    let kernel = Kernel::showing(&[
        ("proc/self/cgroup", "0::/kubepods/pod1/container2\n"),
        ("sys/fs/cgroup/cgroup.procs", "7\n"),
        ("sys/fs/cgroup/cgroup.controllers", "cpu\n"),
        ("sys/fs/cgroup/cgroup.type", "domain\n"),
    ]);
    let throttle = kernel.throttle(1.0).unwrap();
    assert_eq!(throttle.folder(), kernel.path("sys/fs/cgroup/batchmill-7"));
}

#[test]
fn where_there_can_be_no_group_the_reason_names_the_place() {
    assert_eq!(Kernel::showing(&[]).reason(), "no control group with the controller `cpu` is there");
    let mut files = SCOPE;
    files[2].1 = "memory pids\n";
    assert_eq!(Kernel::showing(&files).reason(), "/sys/fs/cgroup/jobs.scope is not handed the controller `cpu`");
    // Root may write where nobody may; a folder in the place of the file is refused to all.
    let kernel = Kernel::showing(&SCOPE);
    fs::remove_file(kernel.path("sys/fs/cgroup/jobs.scope/cgroup.subtree_control")).unwrap();
    fs::create_dir(kernel.path("sys/fs/cgroup/jobs.scope/cgroup.subtree_control")).unwrap();
    assert!(kernel.reason().starts_with("/sys/fs/cgroup/jobs.scope/cgroup.subtree_control: "), "{}", kernel.reason());
}

#[test]
fn the_place_is_left_as_it_was_found_unless_somebody_else_has_groups_there() {
    for (others, left) in [(false, "-cpu"), (true, "+cpu")] {
        let kernel = Kernel::showing(&SCOPE);
        let throttle = kernel.throttle(1.0).unwrap();
        let group = throttle.folder();
        // The files of a real group go with it.
        fs::read_dir(&group).unwrap().for_each(|file| fs::remove_file(file.unwrap().path()).unwrap());
        if others {
            fs::create_dir(kernel.path("sys/fs/cgroup/jobs.scope/batchmill-8")).unwrap();
        }
        drop(throttle);
        assert!(!group.exists());
        assert_eq!(kernel.read("sys/fs/cgroup/jobs.scope/cgroup.subtree_control").unwrap(), left);
    }
}

#[test]
fn groups_of_hosts_that_were_killed_go_with_the_next() {
    let kernel = Kernel::showing(&SCOPE);
    let group = |name: &str| kernel.path(&format!("sys/fs/cgroup/jobs.scope/{name}"));
    fs::create_dir_all(kernel.path("proc/8")).unwrap();
    for name in ["batchmill-8", "batchmill-9", "batchmill-x", "other"] {
        fs::create_dir(group(name)).unwrap();
    }
    let _throttle = kernel.throttle(1.0).unwrap();
    let there = ["batchmill-8", "batchmill-9", "batchmill-x", "other"].map(|name| group(name).exists());
    assert_eq!(there, [true, false, true, true], "8 lives");
}
