//! Signals: once drains, twice stops, three times kills.

use std::time::{Duration, Instant};

use crate::stage::{Stage, field, is_alive, wait_until};

/// Jobs that say that they have started, then wait at a gate.
fn at_a_gate() -> Stage {
    let nodes = "  node:\n    run: [sh, -c, 'touch started.$1; read line < gate', sh, '${ .n }']\n";
    let stage = Stage::with(nodes, (1..=5).map(|n| format!(r#"{{"n":{n}}}"#)));
    stage.make_gate();
    stage
}

/// Jobs that would take ten minutes and leave their process id.
fn endless(trap: &str) -> Stage {
    let nodes = format!(
        "  node:\n    run: [sh, -c, '{trap} echo $$ > pid.$1.new; mv pid.$1.new pid.$1; sleep 600 & wait; wait; sleep 600', sh, '${{ .n }}']\n"
    );
    Stage::with(&nodes, (1..=5).map(|n| format!(r#"{{"n":{n}}}"#)))
}

fn pids(stage: &Stage) -> Vec<String> {
    (1..=5)
        .map(|n| stage.path(&format!("pid.{n}")))
        .filter(|p| p.exists())
        .map(|p| std::fs::read_to_string(p).unwrap())
        .collect()
}

#[test]
fn the_first_interrupt_lets_running_jobs_finish_and_starts_nothing() {
    for signal in ["INT", "TERM", "HUP"] {
        let stage = at_a_gate();
        let running = stage.start(&["--concurrency", "2"]);
        wait_until("two started jobs", || stage.count("started.") == 2);
        running.signal(signal);
        running.wait_for("Draining");
        let _gate = stage.open_gate(2);
        let done = running.end().expect(75).says("Interrupted").says("3 not run to their end");
        let done = done.says("3 pending: the host drains: nothing starts any more");
        assert_eq!(field(&done.results(), "status"), ["succeeded", "succeeded"], "{signal}");
        assert_eq!(stage.count("started."), 2, "nothing has started after the signal");
    }
}

#[test]
fn the_second_interrupt_stops_running_jobs_and_records_nothing_of_them() {
    let stage = endless("");
    let running = stage.start(&["--concurrency", "2"]);
    wait_until("two started jobs", || pids(&stage).len() == 2);
    running.signal("INT");
    running.wait_for("Draining");
    running.signal("INT");
    let done = running.end().expect(75).says("Stopping");
    assert_eq!(done.stdout, "", "what was stopped runs again on resume");
    for pid in pids(&stage) {
        wait_until("the end of the process", || !is_alive(&pid));
    }
}

#[test]
fn the_third_interrupt_kills_even_jobs_that_do_not_listen() {
    let stage = endless("trap \"\" TERM INT;");
    let running = stage.start(&["--concurrency", "2"]);
    wait_until("two started jobs", || pids(&stage).len() == 2);
    running.signal("INT");
    running.wait_for("Draining");
    running.signal("TERM");
    running.wait_for("Stopping");
    running.signal("INT");
    let done = running.end().expect(75);
    assert_eq!(done.stdout, "");
    for pid in pids(&stage) {
        wait_until("the end of the process", || !is_alive(&pid));
    }
}

#[test]
fn a_drain_that_takes_too_long_stops_by_itself() {
    let stage = endless("");
    let running = stage.start(&["--concurrency", "1", "--set", "executor.drain_timeout=100ms"]);
    wait_until("a started job", || pids(&stage).len() == 1);
    running.signal("TERM");
    assert_eq!(running.end().expect(75).stdout, "");
}

/// The whole of a shutdown, and what a busy machine adds.
const SHUTDOWN_MAX: Duration = Duration::from_millis(8_100 + 2_000);

#[test]
fn one_signal_is_enough_for_jobs_that_do_not_listen() {
    let stage = endless("trap \"\" TERM INT;");
    let running = stage.start(&["--concurrency", "2", "--set", "executor.drain_timeout=100ms"]);
    wait_until("two started jobs", || pids(&stage).len() == 2);
    let begun = Instant::now();
    running.signal("TERM");
    let done = running.end().expect(75).says("batchmill resume");
    assert!(begun.elapsed() < SHUTDOWN_MAX, "{:?}", begun.elapsed());
    assert_eq!(done.stdout, "");
    for pid in pids(&stage) {
        wait_until("the end of the process", || !is_alive(&pid));
    }
}

/// A pipe, and a config whose sink writes to it.
fn piped(stage: &Stage, executor: &str) {
    let made = std::process::Command::new("mkfifo").arg(stage.path("pipe")).status().unwrap();
    assert!(made.success());
    let sink = "[[sinks]]\nkind = \"jsonl\"\noptions = { path = \"pipe\" }\n";
    stage.write("batchmill.toml", format!("[executor]\n{executor}\n{sink}"));
}

#[test]
fn a_sink_that_hangs_does_not_keep_the_program() {
    let nodes = "  node:\n    run: [sh, -c, 'yes | head -c 200000; touch ended.$1', sh, '${ .n }']\n    output: '{text: .stdout}'\n";
    let stage = Stage::with(nodes, (1..=3).map(|n| format!(r#"{{"n":{n}}}"#)));
    piped(&stage, "drain_timeout = \"100ms\"");
    // Opened by somebody who does not read: it takes 64 KiB, and then nothing.
    let _reader = std::fs::File::options().read(true).write(true).open(stage.path("pipe")).unwrap();
    let running = stage.start(&["--output", "results.jsonl"]);
    wait_until("all jobs to end", || stage.count("ended.") == 3);
    let begun = Instant::now();
    running.signal("TERM");
    running.end().expect(75).says("batchmill resume").says("jsonl-0");
    assert!(begun.elapsed() < SHUTDOWN_MAX, "{:?}", begun.elapsed());
    let results = stage.batchmill(&["results", "last"]).expect(0).results();
    assert_eq!(results.len(), 3, "what was recorded is there");
}

/// The call of a thread that opens a file just now, as the kernel tells it.
fn opening(pid: u32) -> Option<String> {
    let open = if cfg!(target_arch = "x86_64") { "257 " } else { "56 " };
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("syscall")).ok())
        .find(|call| call.starts_with(open))
}

#[test]
fn a_sink_that_never_opens_does_not_keep_the_program() {
    let stage = at_a_gate();
    // Whoever opens a pipe to write waits for somebody who reads.
    piped(&stage, "drain_timeout = \"0s\"\nshutdown_timeout = \"8s\"");
    let running = stage.start(&["--output", "results.jsonl"]);
    let mut before = None;
    wait_until("a program that waits for a reader", || {
        let now = opening(running.pid());
        let waits = now.is_some() && now == before;
        before = now;
        waits
    });
    let begun = Instant::now();
    for _ in 0..3 {
        running.signal("TERM");
    }
    running.end().expect(75).says("Something is stuck: the program leaves");
    assert!(begun.elapsed() < SHUTDOWN_MAX, "{:?}", begun.elapsed());
    assert_eq!(stage.count("started."), 0);
}

#[test]
fn usr1_says_how_it_stands_and_usr2_does_nothing() {
    let stage = at_a_gate();
    let running = stage.start(&["--concurrency", "2"]);
    wait_until("two started jobs", || stage.count("started.") == 2);
    running.signal("USR2");
    running.signal("USR1");
    running.wait_for("0 of 5 (0%)");
    running.wait_for("3 pending, 2 running");
    running.wait_for("3 pending: all 2 slots are taken");
    let _gate = stage.open_gate(5);
    running.end().expect(0).says("5 succeeded");
}

#[test]
fn an_interrupt_while_stdin_is_read_runs_nothing() {
    let stage = at_a_gate();
    let stderr = std::fs::File::create(stage.path("stderr")).unwrap();
    let mut command = stage.command(&["run", "flow.yaml", "-"]);
    let mut child = command.stdin(std::process::Stdio::piped()).stderr(stderr).spawn().unwrap();
    let pid = child.id().to_string();
    // It listens to signals before it reads: a caught signal shows in the process's own account.
    let caught = || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let mask = status
            .lines()
            .find_map(|line| line.strip_prefix("SigCgt:"))
            .map_or(0, |m| u64::from_str_radix(m.trim(), 16).unwrap());
        mask & 0b10 != 0
    };
    wait_until("a listening program", caught);
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    wait_until("the end of the program", || child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().code(), Some(75));
    assert!(stage.read("stderr").contains("nothing has run"));
    assert_eq!(stage.count("started."), 0);
}
