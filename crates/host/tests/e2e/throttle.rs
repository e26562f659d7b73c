//! A quota of CPU time for processes, by the kernel of this machine.

use std::{
    fs::{self, OpenOptions},
    path::Path,
    process::Command,
};

use crate::stage::{Stage, skipped, wait_until};

/// Leaves where its process is, `cpu.stat` of that group tells what is held back.
const GROUP: &str = "
      line=$(grep -E '^[0-9]+:([a-z,]*,)?cpu(,[a-z,]*)?:' /proc/self/cgroup || grep '^0::' /proc/self/cgroup)
      path=$(echo $line | cut -d: -f3)
      for group in /sys/fs/cgroup/cpu$path /sys/fs/cgroup$path /sys/fs/cgroup/unified$path; do
        test -e $group/cpu.stat && break
      done
";

fn flow(script: &str) -> String {
    format!(
        "  node:\n    shell: true\n    timeout: 30s\n    retry: 1\n    run: |{GROUP}      {script}\n    output: '{{group: (.stdout | rtrimstr(\"\\n\"))}}'\n"
    )
}

/// Whether the group of this test may be divided: asked of the kernel, not of the program.
fn may_divide(test: &str) -> bool {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let first = groups.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let first = first.filter(|(names, _)| names.split(',').any(|name| name == "cpu"));
    let first = first.map(|(names, path)| format!("/sys/fs/cgroup/{names}{path}"));
    let second = groups.lines().filter_map(|line| line.strip_prefix("0::")).map(|path| format!("/sys/fs/cgroup{path}"));
    let second = second.filter(|folder| {
        let given = fs::read_to_string(Path::new(folder).join("cgroup.controllers")).unwrap_or_default();
        let handed_down = OpenOptions::new().write(true).open(Path::new(folder).join("cgroup.subtree_control"));
        given.split_whitespace().any(|name| name == "cpu") && handed_down.is_ok()
    });
    let may = first.chain(second).any(|folder| {
        let probe = Path::new(&folder).join(format!("e2e-{}-{test}", std::process::id()));
        fs::create_dir(&probe).and_then(|()| fs::remove_dir(&probe)).is_ok()
    });
    if !may {
        skipped(&format!("optional {test}"), "the control group of the tests may not be divided by them");
    }
    may
}

#[test]
fn processes_share_a_quota_in_a_group_that_is_gone_afterwards() {
    if !may_divide("processes_share_a_quota_in_a_group_that_is_gone_afterwards") {
        return;
    }
    // Two children do nothing but ask whether they were held back; without a quota they would ask until their timeout.
    let script = "until grep -q 'nr_throttled [1-9]' $group/cpu.stat; do :; done; echo $group";
    let stage = Stage::with(&flow(script), ["{}", "{}"]);
    let done = stage.run(&["--set", "resources.cpu_max=0.1"]).expect(0);
    for result in done.results() {
        let group = result["output"]["group"].as_str().unwrap();
        assert!(group.contains("/batchmill-"), "{group}");
        assert!(!Path::new(group).exists(), "{group} is still there");
    }
    assert!(!done.stderr.contains("cpu_max"), "{}", done.stderr);
}

#[test]
fn a_host_that_is_stopped_leaves_no_group_and_what_a_killed_one_leaves_goes_with_the_next() {
    if !may_divide("a_host_that_is_stopped_leaves_no_group") {
        return;
    }
    let stage = Stage::with(&flow("echo $group > group.new; mv group.new group; exec sleep 600"), ["{}"]);
    let quota = ["--set", "resources.cpu_max=0.5", "--fresh"];
    for signals in [["TERM", "TERM"].as_slice(), &["INT", "INT", "INT"], &["KILL"]] {
        let running = stage.start(&quota);
        wait_until("the process", || stage.path("group").exists());
        let group = stage.read("group");
        let group = Path::new(group.trim());
        assert!(group.ends_with(format!("batchmill-{}", running.pid())), "{}", group.display());
        for signal in signals {
            running.signal(signal);
        }
        running.end();
        fs::remove_file(stage.path("group")).unwrap();
        if signals == ["KILL"] {
            // Any other test may be the next host.
            let is_empty = || fs::read(group.join("cgroup.procs")).map_or(true, |processes| processes.is_empty());
            wait_until("the end of its process", is_empty);
            Stage::with("  node: {set: '{}'}\n", ["{}"]).run(&["--set", "resources.cpu_max=1"]).expect(0);
        }
        assert!(!group.exists(), "{signals:?}");
    }
}

#[test]
fn where_there_can_be_no_group_it_is_said_once_and_jobs_run() {
    let stage = Stage::with("  node:\n    run: ['true']\n", ["{}", "{}", "{}"]);
    let hide = "mount -t tmpfs none /sys/fs/cgroup && exec \"$@\"";
    let mut hidden = stage.prepared("unshare", &["--mount", "sh", "-c", hide, "sh", env!("CARGO_BIN_EXE_batchmill")]);
    let hidden = hidden.args(["run", "flow.yaml", "jobs.jsonl", "--set", "resources.cpu_max=0.5"]);
    let may_mount =
        Command::new("unshare").args(["--mount", "mount", "-t", "tmpfs", "none", "/sys/fs/cgroup"]).output();
    if !may_mount.is_ok_and(|output| output.status.success()) {
        return skipped("optional where_there_can_be_no_group_it_is_said_once_and_jobs_run", "nobody may mount here");
    }
    let done = stage.watch(std::mem::replace(hidden, Command::new("true"))).end().expect(0);
    let told = "resources.cpu_max = 0.5 holds nothing back: no control group with the controller `cpu` is there";
    assert_eq!(done.stderr.matches(told).count(), 1, "{}", done.stderr);
    assert!(done.stderr.contains("systemd-run --user --scope -p Delegate=cpu"), "{}", done.stderr);
    assert!(done.results().iter().all(|result| result["status"] == "succeeded"));
}

#[test]
fn a_quota_of_no_time_is_refused_and_one_above_the_machine_is_told() {
    let stage = Stage::with("  node: {set: '{}'}\n", ["{}"]);
    for (set, words) in [
        ("resources.cpu_max=0", "0 is out of range; write a number of CPUs from 0.01"),
        ("resources.cpu_max=-1", "-1 is out of range"),
        ("resources.cpu_max=nan", "nan is not finite"),
        ("resources.cpu_max='150%'", "expected a number of CPUs, such as 1.5"),
    ] {
        stage.run(&["--set", set]).expect(78).says(words);
    }
    stage.run(&["--set", "resources.cpu_max=5000"]).expect(0).says("5000 is more than the CPUs there are");
}
