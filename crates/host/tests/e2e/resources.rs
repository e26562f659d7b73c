//! Memory, CPUs and nice, on the real program.

use crate::stage::Stage;

/// Holds 300 MB for a moment: `tail` keeps a line without an end. What it tells before is how many processes of its host
/// run then, itself among them.
const HUNGRY: &str = r#"  eat:
    shell: true
    run: |
      echo start $(cat /proc/$PPID/task/*/children | wc -w) >> ledger
      { head -c 300000000 /dev/zero; sleep 0.3; } | tail > /dev/null
      echo end >> ledger
"#;

#[test]
fn jobs_of_300_mb_under_1_gib_all_end_and_never_more_start_than_fit_once_the_first_has_ended() {
    let stage = Stage::with(HUNGRY, vec!["{}"; 12]);
    let limit = ["--set", "executor.memory_limit=1GiB", "--concurrency", "10"];
    let done = stage.run(&limit).expect(0);
    let results = done.results();
    assert_eq!(results.len(), 12);
    assert!(results.iter().all(|result| result["status"] == "succeeded" && result["attempts"] == 1), "{results:?}");
    let ledger = stage.read("ledger");
    let after_the_first = ledger.lines().skip_while(|line| *line != "end");
    let at_once: Vec<u32> = after_the_first.filter_map(|line| line.strip_prefix("start ")?.parse().ok()).collect();
    assert!(at_once.iter().all(|running| *running <= 3), "{ledger}");
    assert!(at_once.contains(&3), "three fit, and none is wasted: {ledger}");
}

#[test]
fn what_is_declared_is_known_before_the_first_has_ended() {
    let script = "echo start $(cat /proc/$PPID/task/*/children | wc -w) >> ledger; sleep 0.2";
    let nodes = format!("  node:\n    run: [sh, -c, '{script}']\n    cost: {{memory: 300MiB}}\n");
    let stage = Stage::with(&nodes, vec!["{}"; 6]);
    stage.run(&["--set", "executor.memory_limit=1GiB", "--concurrency", "6"]).expect(0);
    let ledger = stage.read("ledger");
    let at_once = ledger.lines().filter_map(|line| line.strip_prefix("start ")?.parse::<u32>().ok());
    assert_eq!(at_once.max(), Some(3), "{ledger}");
}

/// Tells how many processes of its host run when it starts, and then keeps a CPU busy for a tenth of a second.
const BUSY: &str = r#"  node:
    shell: true
    run: |
      echo start $(cat /proc/$PPID/task/*/children | wc -w) >> ledger
      timeout 0.1 sh -c 'while :; do :; done' || true
"#;

fn at_once(stage: &Stage) -> Vec<u32> {
    stage.read("ledger").lines().filter_map(|line| line.strip_prefix("start ")?.parse().ok()).collect()
}

#[test]
fn cpus_that_are_declared_are_shared_out() {
    let stage = Stage::with(&format!("{BUSY}    cost: {{cpu: 1000}}\n"), vec!["{}"; 5]);
    stage.run(&["--concurrency", "5"]).expect(0);
    assert_eq!(at_once(&stage), [1; 5], "more than there are runs alone");
    let stage = Stage::with(&format!("{BUSY}    cost: {{cpu: 0.001}}\n"), vec!["{}"; 5]);
    stage.run(&["--concurrency", "5"]).expect(0);
    assert!(at_once(&stage).iter().any(|running| *running > 1), "{:?}", at_once(&stage));
}

#[test]
fn busy_cpus_make_attempts_fewer_until_one_runs() {
    // One less a look, which are four a second.
    let stage = Stage::with(BUSY, vec!["{}"; 70]);
    stage.run(&["--concurrency", "5", "--set", "resources.max_load=1%"]).expect(0);
    let running = at_once(&stage);
    assert_eq!(running[65..], [1; 5], "{running:?}");
}

#[test]
fn a_job_that_ran_out_of_memory_gets_more_from_the_request_that_failed() {
    let nodes = "  node:\n    run: [sh, -c, 'echo $BATCHMILL_MEMORY >> told; test $BATCHMILL_MEMORY -ge 1000']\n    \
                 exit_codes: {resource: [1]}\n    cost: {memory: {start: 300, multiply: 2, max: 1100}}\n";
    let stage = Stage::with(nodes, ["{}"]);
    let done = stage.run(&["--set", "retry.options.delay=1ms"]).expect(0);
    assert_eq!(done.results()[0]["attempts"], 3);
    assert_eq!(stage.read("told"), "300\n600\n1100\n");
}

/// Both wait until two run, and then hold 300 MB for a second: the second one, ended, does not wait again.
const GREEDY: &str = r#"  eat:
    shell: true
    run: |
      echo start ${ .n } >> ledger
      until test $(grep -c start ledger) -ge 2; do sleep 0.02; done
      { head -c 300000000 /dev/zero; sleep 1; } | tail > /dev/null
      echo end ${ .n } >> ledger
"#;

#[test]
fn when_memory_runs_short_the_newest_process_is_ended_and_runs_again_without_paying_for_it() {
    let stage = Stage::with(GREEDY, [r#"{"n":0}"#, r#"{"n":1}"#]);
    let done = stage.run(&["--set", "executor.memory_limit=500MiB", "--concurrency", "2"]).expect(0);
    let ledger = stage.read("ledger");
    let count = |line: &str| ledger.lines().filter(|it| *it == line).count();
    assert_eq!((count("start 0"), count("end 0"), count("end 1")), (1, 1, 1), "{ledger}");
    assert!(count("start 1") > 1, "it was ended and ran again: {ledger}");
    let results = done.results();
    assert!(results.iter().all(|it| it["status"] == "succeeded" && it["attempts"] == 1), "{results:?}");
}

#[test]
fn processes_give_way_as_the_config_or_their_node_says() {
    let nodes = "  host:\n    run: [nice]\n    output: '{host: .stdout}'\n  own:\n    run: [nice]\n    nice: 9\n    \
                 output: '{own: .stdout}'\n";
    let stage = Stage::with(nodes, ["{}"]);
    let done = stage.run(&["--set", "resources.nice=4"]).expect(0);
    let output = &done.results()[0]["output"];
    // Added to that of the test.
    let number = |key: &str| output[key].as_str().unwrap().trim().parse::<i32>().unwrap();
    assert_eq!((number("host"), number("own")), (4, 9));
}

#[test]
fn what_is_no_share_of_memory_and_no_niceness_is_refused() {
    let stage = Stage::with("  node:\n    run: ['true']\n", ["{}"]);
    for (set, words) in [
        ("executor.memory_limit=0", "a limit of no memory"),
        ("resources.slow_at=0%", "is no percentage"),
        ("resources.nice=20", "out of range"),
        ("resources.max_load=NaN", "is no percentage"),
    ] {
        let done = stage.run(&["--set", set]).expect(78);
        assert!(done.stderr.contains(words), "{set}: {}", done.stderr);
    }
}

#[test]
fn a_cost_that_is_none_is_refused_at_its_place() {
    for (cost, words) in [
        ("{cpu: 0}", "a number of CPUs from 0.001"),
        ("{memory: 0}", "is more than 0"),
        ("{memory: {start: 2GiB, max: 1GiB}}", "`max` is below `start`"),
        ("{memory: {start: 1GiB}}", "lacks `max`"),
        ("{memory: {start: 1GiB, max: 2GiB, multiply: 0.5}}", "a number from 1 to 100"),
        ("{disk: 1}", "disk"),
        ("7", "a map such as"),
    ] {
        let stage = Stage::with(&format!("  node:\n    run: ['true']\n    cost: {cost}\n"), ["{}"]);
        let done = stage.run(&[]).expect(65);
        assert!(done.stderr.contains(words) && done.stderr.contains("nodes.node.cost"), "{cost}: {}", done.stderr);
    }
}
