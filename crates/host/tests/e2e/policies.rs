//! Policies are chosen by one line of config, and the choice shows.

use crate::stage::{Done, Stage, field};

const SET: &str = "  node:\n    set: '{done: true}'\n";
const FAIL: &str = "  node:\n    run: [sh, -c, 'exit ${ .code }']\n";

fn prioritised() -> Stage {
    let jobs = [("low", 1), ("high", 200), ("middle", 50), ("high too", 200)];
    Stage::with(SET, jobs.map(|(id, priority)| format!(r#"{{"id":"{id}","input":{{}},"priority":{priority}}}"#)))
}

#[test]
fn urgent_jobs_come_first() {
    let done = prioritised().run(&["--concurrency", "1"]).expect(0);
    assert_eq!(field(&done.results(), "job_id"), ["high", "high too", "middle", "low"]);
}

#[test]
fn the_scheduler_is_swapped_by_one_line() {
    let stage = prioritised();
    let submitted = ["low", "high", "middle", "high too"];
    let done = stage.run(&["--concurrency", "1", "--set", "scheduler.kind=fifo"]).expect(0);
    assert_eq!(field(&done.results(), "job_id"), submitted);
    stage.write("batchmill.toml", "[scheduler]\nkind = \"fifo\"\n[executor]\nconcurrency = 1\n");
    assert_eq!(field(&stage.run(&[]).expect(0).results(), "job_id"), submitted);
    let mut command = stage.command(&["run", "flow.yaml", "jobs.jsonl"]);
    let output = command.env("BATCHMILL_SCHEDULER__KIND", "priority").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().next().unwrap().contains("\"high\""), "the environment is over the file: {text}");
}

fn failing() -> Stage {
    Stage::with(FAIL, (0..10).map(|_| r#"{"code":1}"#))
}

#[test]
fn by_default_no_failure_stops_a_batch() {
    let done = failing().run(&["--max-attempts", "1"]).expect(1);
    assert_eq!(done.results().iter().filter(|r| r["status"] == "failed").count(), 10);
}

/// A token comes with time every thousand seconds only: what brings the batch to its end is success.
#[test]
fn a_retry_budget_makes_retries_wait_and_fails_none() {
    let nodes = "  node:\n    run: [sh, -c, 'test -e begun.$1 || { touch begun.$1; exit 1; }', sh, '${ .n }']\n";
    let stage = Stage::with(nodes, (1..=6).map(|n| format!(r#"{{"n":{n}}}"#)));
    let retry =
        "[retry]\nkind = \"exponential\"\noptions = { delay = \"0s\", budget = { burst = 1, per_second = 0.001 } }\n";
    stage.write("batchmill.toml", retry);
    let done = stage.run(&[]).expect(0).says("6 succeeded, 6 retries");
    assert_eq!(field(&done.results(), "status"), ["succeeded"; 6]);
}

#[test]
fn a_halt_rule_stops_the_batch_and_the_rest_is_skipped() {
    let args = ["--max-attempts", "1", "--concurrency", "1", "--halt", "soon,fail=3"];
    let done = failing().run(&args).expect(3).says("`soon,fail=3`: 3 of 10 jobs failed");
    let statuses = |wanted: &str| done.results().iter().filter(|r| r["status"] == wanted).count();
    assert_eq!((statuses("failed"), statuses("skipped")), (3, 7));
}

#[test]
fn a_halt_rule_in_percent_is_of_all_jobs() {
    let args = ["--max-attempts", "1", "--concurrency", "1", "--halt", "now,fail=50%"];
    let done = failing().run(&args).expect(3);
    assert_eq!(done.results().iter().filter(|r| r["status"] == "failed").count(), 5);
}

/// A job for each exit status, one after the other.
fn ending(statuses: &str, args: &[&str]) -> Done {
    let stage = Stage::with(FAIL, statuses.chars().map(|status| format!(r#"{{"code":{status}}}"#)));
    stage.run(&[&["--max-attempts", "1", "--concurrency", "1"], args].concat())
}

#[test]
fn a_success_that_is_enough_stops_the_batch_and_is_one() {
    for form in ["standard", "count"] {
        let done =
            ending("11001", &["--halt", "soon,success=1", "--exit-code", form, "--report", "report.json"]).expect(0);
        let done = done.says("Stopped as asked by `soon,success=1`: 1 of 5 jobs succeeded");
        let mut results = done.results();
        results.sort_by_key(|result| result["sequence"].as_u64());
        assert_eq!(field(&results, "status"), ["failed", "failed", "succeeded", "skipped", "skipped"]);
        let error = &results[4]["error"];
        assert_eq!((&error["class"], &error["code"]), (&"cancelled".into(), &"halted".into()));
        assert_eq!(error["message"], "skipped: the batch was stopped by `soon,success=1`");
    }
}

#[test]
fn a_success_that_never_comes_is_a_failure() {
    ending("111", &["--halt", "now,success=1"]).expect(1);
    ending("111", &["--halt", "now,success=1", "--exit-code", "count"]).expect(3);
}

#[test]
fn several_halt_rules_are_tried_in_their_order() {
    let args = ["--halt", "soon,fail=3", "--halt", "now,fail_rate=60%,window=3,min_sample=3"];
    ending("0100101", &args).expect(3).says("Stopped by `soon,fail=3`: 3 of 7 jobs failed");
    ending("0110000", &args).expect(3).says("`now,fail_rate=60%,window=3,min_sample=3`: 2 of the last 3 jobs failed");
}

#[test]
fn short_forms_of_halt_rules_may_begin_with_a_minus() {
    ending("100", &["--halt", "-1"]).expect(0).says("`soon,success=1`: 1 of 3 jobs succeeded");
    ending("100", &["--halt", "2"]).expect(3).says("`now,fail=1`: 1 of 3 jobs failed");
}

#[test]
fn a_rule_may_be_a_table_and_count_some_classes_only() {
    let nodes = "  node:\n    run: [sh, -c, 'exit ${ .code }']\n    exit_codes: {permanent: [2]}\n";
    let stage = Stage::with(nodes, [1, 1, 2, 1, 2, 0].map(|code| format!(r#"{{"code":{code}}}"#)));
    let rules = "rules = [{ when = \"soon\", fail = 2, classes = [\"permanent\"] }]\n";
    stage.write(
        "batchmill.toml",
        format!("executor.concurrency = 1\nretry.options.max_attempts = 1\n[failure.options]\n{rules}"),
    );
    let done = stage.run(&[]).expect(3).says("`soon,fail=2,classes=permanent`: 2 of 6 jobs failed by permanent");
    assert_eq!(done.results().iter().filter(|r| r["status"] == "failed").count(), 5);
}

#[test]
fn now_stops_what_runs() {
    let nodes = "  node:\n    run: [sh, -c, 'if [ ${ .n } = 1 ]; then until [ -e started ]; do :; done; exit 1; else touch started; sleep 600; fi']\n";
    let stage = Stage::with(nodes, [r#"{"n":1}"#, r#"{"n":2}"#]);
    let done = stage.run(&["--max-attempts", "1", "--halt", "now,fail=1"]).expect(3);
    let mut statuses: Vec<_> = field(&done.results(), "status").into_iter().map(str::to_owned).collect();
    statuses.sort();
    assert_eq!(statuses, ["failed", "skipped"]);
}

#[test]
fn a_node_has_its_own_retries() {
    let nodes = "  node:\n    run: [sh, -c, 'exit 1']\n    retry: {max_attempts: 4, delay: 1ms}\n";
    let done = Stage::with(nodes, ["{}"]).run(&[]).expect(1);
    assert_eq!(done.results()[0]["attempts"], 4);
}

#[test]
fn a_port_that_is_taken_is_bad_config() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let stage = prioritised();
    let listen = format!("metrics.options.listen={:?}", taken.local_addr().unwrap().to_string());
    stage.run(&["--set", "metrics.kind=prometheus", "--set", &listen]).expect(78).says("metrics: ");
}

#[test]
fn a_fatal_error_stops_the_batch_whatever_the_rules_say() {
    let nodes = "  node:\n    run: [sh, -c, 'exit 99']\n    exit_codes: {fatal: [99]}\n";
    let done = Stage::with(nodes, (0..5).map(|_| "{}")).run(&["--concurrency", "1"]).expect(3).says("Stopped");
    let statuses = |wanted: &str| done.results().iter().filter(|r| r["status"] == wanted).count();
    assert_eq!((statuses("failed"), statuses("skipped")), (1, 4));
}

/// Twelve jobs of each tenant, in the order of the file; `c` first.
fn three_tenants() -> Stage {
    let tenants = ["c", "b", "a"].into_iter().flat_map(|tenant| std::iter::repeat_n(tenant, 12));
    Stage::with(SET, tenants.map(|tenant| format!(r#"{{"input":{{}},"tenant":"{tenant}"}}"#)))
}

const BY_STARTS: &str = "[executor]\nconcurrency = 1\n[scheduler]\nkind = \"fair-share\"\n\
                         options = { weights = { a = 3, b = 2 }, charge = \"cost\" }\n";

#[test]
fn tenants_start_by_their_weights() {
    let stage = three_tenants();
    stage.write("batchmill.toml", BY_STARTS);
    let starts = field(&stage.run(&[]).expect(0).results(), "tenant").concat();
    // 3, 2 and 1 of six while all of them wait, then 2 and 1 of three, then the rest.
    assert_eq!(starts, ["cbaaba".repeat(4), "cbb".repeat(2), "c".repeat(6)].concat());
}

#[test]
fn a_cost_counts_and_a_tenant_within_a_tenant_divides_what_that_gets() {
    let jobs = (0..12).flat_map(|_| [("x", 1), ("y/1", 1), ("y/2", 2)]);
    let stage = Stage::with(SET, jobs.map(|(t, cost)| format!(r#"{{"input":{},"tenant":"{t}","cost":{cost}}}"#, "{}")));
    stage.write("batchmill.toml", BY_STARTS);
    let results = stage.run(&["--set", "scheduler.options.weights={x=1,y=2}"]).expect(0).results();
    let first = field(&results, "tenant")[..15].to_vec();
    let starts = ["x", "y/1", "y/2"].map(|tenant| first.iter().filter(|t| **t == tenant).count());
    // Costs of 6, 6 and 2 × 3: x got a third of 18 and each of the others too.
    assert_eq!(starts, [6, 6, 3]);
}

#[test]
fn a_share_is_what_an_expression_makes_of_the_job() {
    let input = |org, team, user| format!(r#"{{"org":"{org}","team":"{team}","user":"{user}"}}"#);
    let jobs =
        (0..12).flat_map(|_| [input("x", "a", "u"), input("y", "a", "u"), input("y", "b", "v"), input("y", "b", "w")]);
    let stage = Stage::with(SET, jobs);
    stage.write("batchmill.toml", BY_STARTS);
    let key = r#"scheduler.share_key='.input | "\(.org)/\(.team)/\(.user)"'"#;
    let results =
        stage.run(&["--set", key, "--set", "scheduler.options.weights={x=1,y=3,\"y/b\"=2}"]).expect(0).results();
    let mut starts = [0; 4];
    for result in &results[..12] {
        starts[result["sequence"].as_u64().unwrap() as usize % 4] += 1;
    }
    assert_eq!(starts, [3, 3, 3, 3], "a quarter is of x, and two thirds of the rest of the two in y/b: {results:?}");
}

#[test]
fn wrong_weights_are_refused_with_their_place() {
    let stage = three_tenants();
    let fair = "[scheduler]\nkind = \"fair-share\"\n[scheduler.options]\n";
    stage.write("batchmill.toml", format!("{fair}weights = {{ a = 0, \"b/\" = -1 }}\ncharg = \"time\"\n"));
    let told = stage.run(&[]).expect(78);
    for (place, message) in [
        ("4:17: scheduler.options.weights.a", "a weight must be above 0"),
        ("4:27: scheduler.options.weights.\"b/\"", "a share is a path such as `org/team`, without empty parts"),
        ("4:27: scheduler.options.weights.\"b/\"", "a weight must be 0.000001 to 1000000, found -1"),
        ("5:1: scheduler.options.charg", "unknown key `charg`, did you mean `charge`?"),
    ] {
        let line = format!("batchmill.toml:{place}: {message}");
        assert!(told.stderr.contains(&line), "{line}: {}", told.stderr);
    }
    stage.write("batchmill.toml", format!("{fair}weights = {{ a = nan }}\n"));
    stage.run(&[]).expect(78).says("batchmill.toml:4:17: scheduler.options.weights.a: the number nan is not finite");
}

/// One tenant takes much memory for a moment, one takes hardly any for longer.
const MUCH_OR_LONG: &str = r#"  node:
    shell: true
    env: {TENANT: '${ $job.tenant }'}
    run: |
      echo $TENANT >> order
      if test $TENANT = much; then head -c 300000000 /dev/zero | tail > /dev/null; else sleep 0.5; fi
"#;

#[test]
fn by_memory_who_takes_much_of_it_waits_for_who_takes_long() {
    let job = |tenant: &str| format!(r#"{{"tenant":"{tenant}","input":{{}}}}"#);
    let stage = Stage::with(MUCH_OR_LONG, ["much", "long", "much", "long", "long", "long"].map(job));
    stage.write(
        "batchmill.toml",
        "[executor]\nconcurrency = 1\n[scheduler]\nkind = \"fair-share\"\noptions = { charge = \"memory\", slot_memory = \"1MiB\" }\n",
    );
    stage.run(&[]).expect(0);
    let order = stage.read("order");
    assert!(order.ends_with("long\nlong\nlong\nmuch\n") && order.starts_with("much\n"), "{order}");
}

/// Batch `one`: jobs of `heavy` only. Batch `two`: as many of `heavy` and `light`, in turn. The tenants in the order in which
/// the second one ran them.
fn second_of_two(half_life: &str) -> String {
    let of = |tenant: &str| format!(r#"{{"tenant":"{tenant}","input":{{}}}}"#);
    let stage = Stage::with(SET, (0..8).map(|_| of("heavy")));
    stage.write("two.jsonl", (0..8).map(|n| of(if n % 2 == 0 { "heavy" } else { "light" }) + "\n").collect::<String>());
    let options = format!("weights = {{ heavy = 2 }}\ncharge = \"cost\"\nhalf_life = \"{half_life}\"\n");
    stage.write("batchmill.toml", format!("[scheduler]\nkind = \"fair-share\"\n[scheduler.options]\n{options}"));
    stage.run(&["--concurrency", "1", "--batch", "one", "--output", "one.out"]).expect(0);
    let args = ["run", "flow.yaml", "two.jsonl", "--concurrency", "1", "--batch", "two"];
    let done = stage.batchmill(&args).expect(0);
    field(&done.results(), "tenant").iter().map(|tenant| &tenant[..1]).collect()
}

#[test]
fn with_a_half_life_the_next_batch_makes_up_for_what_this_one_used() {
    // 8 of `heavy`, which has twice the weight, are as 4 of `light`.
    assert_eq!(second_of_two("1d"), "llllhhhh");
    assert_eq!(second_of_two("0s"), "hlhlhhll");
}

#[test]
fn where_nothing_is_kept_a_half_life_that_remembers_nothing_is_told() {
    let stage = prioritised();
    stage.write("batchmill.toml", "scheduler = { kind = \"fair-share\", options = { half_life = \"1h\" } }\n");
    let warning = "what shares use is neither known from earlier batches nor kept";
    stage.run(&["--durability", "none"]).expect(0).says(warning);
}

#[test]
fn a_weight_that_is_none_is_refused_with_its_place() {
    let stage = prioritised();
    for weight in ["nan", "-inf", "-1", "0"] {
        let options =
            format!("[scheduler]\nkind = \"fair-share\"\n[scheduler.options.weights]\n\"org/a\" = {weight}\n");
        stage.write("batchmill.toml", options);
        stage.run(&[]).expect(78).says("batchmill.toml:4:11: scheduler.options.weights.");
    }
}
