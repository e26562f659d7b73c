//! Limits of jobs with one key, on the real program.

use serde_json::Value;

use crate::stage::{Stage, field, wait_until};

/// Jobs that write down who runs beside them of their tenant: `log.TENANT` has a number a start.
const COUNTED: &str = "  node:\n    run: [sh, -c, 'mkdir -p on; : > on/$1.$2; ls on | grep -c \"^$1\\.\" >> log.$1; sleep 0.02; \
                       rm on/$1.$2', sh, '${ $job.tenant }', '${ $job.id }']\n";

fn job(tenant: &str) -> String {
    format!(r#"{{"tenant":"{tenant}","input":{{}}}}"#)
}

fn most(stage: &Stage, tenant: &str) -> u32 {
    stage.read(&format!("log.{tenant}")).lines().map(|line| line.trim().parse::<u32>().unwrap()).max().unwrap()
}

#[test]
fn no_more_of_a_tenant_run_than_may_and_all_run() {
    let jobs = (0..12).map(|_| job("a")).chain((0..12).map(|_| job("b")));
    let stage = Stage::with(COUNTED, jobs);
    stage.write("batchmill.toml", "[[limits]]\nkey = \".tenant\"\nconcurrency = 2\n");
    stage.run(&["--concurrency", "8"]).expect(0).says("24 succeeded");
    assert!((1..=2).contains(&most(&stage, "a")) && (1..=2).contains(&most(&stage, "b")));
}

/// When each job started, in seconds.
const CLOCKED: &str = "  node:\n    run: [sh, -c, 'date +%s.%N >> starts']\n";

#[test]
fn no_more_start_in_a_time_than_may() {
    let stage = Stage::with(CLOCKED, (0..12).map(|n| format!(r#"{{"n":{n}}}"#)));
    stage.write("batchmill.toml", "[[limits]]\nrate = \"20/s\"\nburst = 2\n");
    stage.run(&["--concurrency", "8"]).expect(0);
    let mut starts: Vec<f64> = stage.read("starts").lines().map(|line| line.parse().unwrap()).collect();
    starts.sort_by(f64::total_cmp);
    // A start that is written down late only makes the span longer: 2 at once, then one each 50 ms.
    let span = starts[11] - starts[0];
    assert!(span >= 0.45, "12 starts within {span} s");
}

#[test]
fn a_resumed_batch_does_not_begin_with_a_full_bucket() {
    let stage = Stage::with(CLOCKED, (0..6).map(|n| format!(r#"{{"n":{n}}}"#)));
    // An hour for a token: what starts is what the bucket had.
    stage.write("batchmill.toml", "[[limits]]\nrate = \"1/h\"\nburst = 2\n");
    let running = stage.start(&[]);
    wait_until("two jobs that have ended", || status(&stage)["counts"]["succeeded"] == 2);
    stage.batchmill(&["drain"]).expect(0);
    running.end().expect(75);
    let running = stage.watch(stage.command(&["resume"]));
    let used_up = || {
        stage.batchmill(&["explain", "last", "6"]).stdout.contains("limit `all`: the rate of 1/h is used up, due in")
    };
    wait_until("a job that waits for a token", used_up);
    let counts = status(&stage)["counts"].clone();
    assert_eq!((&counts["succeeded"], &counts["pending"]), (&2.into(), &4.into()));
    stage.batchmill(&["cancel"]).expect(0);
    running.end().expect(3);
    assert_eq!(stage.read("starts").lines().count(), 2);
}

#[test]
fn a_breaker_leaves_alone_what_fails() {
    let fails = "  node:\n    run: [sh, -c, 'echo x >> tries; exit 1']\n";
    let stage = Stage::with(fails, (0..20).map(|n| format!(r#"{{"n":{n}}}"#)));
    let limit = "[[limits]]\nname = \"service\"\nkey = '\"s\"'\nbreaker = { failures = 3, cooldown = \"1h\" }\n";
    stage.write("batchmill.toml", limit);
    let running = stage.start(&["--concurrency", "1", "--max-attempts", "1"]);
    wait_until("three jobs that have failed", || status(&stage)["counts"]["failed"] == 3);
    let said = stage.batchmill(&["explain", "last", "20"]).expect(0).stdout;
    assert!(said.contains("limit `service`, key `s`: the breaker is open after 3 failures in a row, due in"), "{said}");
    let shown = stage.batchmill(&["status", "last"]).expect(0).stdout;
    assert!(
        shown.contains(
            "limit service: a breaker a key; 1 key, 0 attempts run, 1 key lets nothing start, 1 breaker is open"
        ),
        "{shown}"
    );
    stage.batchmill(&["cancel"]).expect(0);
    running.end().expect(3);
    assert_eq!(stage.read("tries").lines().count(), 3);
}

/// How the batch stands; null while it is not there yet.
fn status(stage: &Stage) -> Value {
    serde_json::from_str(&stage.batchmill(&["status", "last", "-o", "json"]).stdout).unwrap_or_default()
}

#[test]
fn a_job_says_which_limit_it_waits_for_and_a_person_raises_it() {
    let nodes = "  node:\n    run: [sh, -c, 'touch started.$1; read line < gate', sh, '${ .n }']\n";
    let stage = Stage::with(nodes, (1..=6).map(|n| format!(r#"{{"n":{n}}}"#)));
    stage.make_gate();
    stage.write("batchmill.toml", "[[limits]]\nkey = \".tenant\"\nconcurrency = 2\n");
    let running = stage.start(&["--concurrency", "8"]);
    wait_until("two jobs that have started", || stage.count("started.") == 2);
    let explained = stage.batchmill(&["explain", "last", "6"]).expect(0).stdout;
    let why = "pending: limit `tenant`, key `default`: 2 attempts run, as many as may; held by `1`, `2`";
    assert!(explained.contains(why), "{explained}");
    let data: Value =
        serde_json::from_str(&stage.batchmill(&["explain", "last", "6", "-o", "json"]).expect(0).stdout).unwrap();
    assert!(data.to_string().contains(r#""holders":[{"job":"1","sequence":0,"slot":0}"#), "{data}");
    let shown = stage.batchmill(&["status", "last"]).expect(0).stdout;
    assert!(
        shown.contains("limit tenant: 2 at once a key; 1 key, 2 attempts run, 1 key lets nothing start"),
        "{shown}"
    );

    let set = stage.batchmill(&["limits", "set", "tenant.concurrency=4"]).expect(0).stdout;
    assert!(set.ends_with(": tenant.concurrency is 4, was 2\n"), "{set}");
    wait_until("four jobs that have started", || stage.count("started.") == 4);
    assert_eq!(status(&stage)["live"]["limits"][0]["concurrency"], 4);
    stage
        .batchmill(&["limits", "set", "tenat.concurrency=4"])
        .expect(65)
        .says("there is no limit `tenat`; there are: `tenant`");
    stage.batchmill(&["limits", "set", "tenant.rate=0/m"]).expect(65).says("a rate of 0 lets nothing start");
    stage.batchmill(&["limits", "set", "tenant=4"]).expect(65).says("is nothing that can be set");
    stage.batchmill(&["limits", "set", "tenant.concurrency"]).expect(2).says("must be KEY=VALUE");
    let said = stage.batchmill(&["limits", "set", "concurrency=1"]).expect(0).stdout;
    assert!(said.ends_with(": concurrency is 1, was 8\n"), "{said}");
    let _gate = stage.open_gate(6);
    running.end().expect(0);
}

#[test]
fn a_person_changes_the_weight_of_a_share_while_its_jobs_wait() {
    let nodes = "  node:\n    run: [sh, -c, 'echo $1 >> order; touch started.$2; read line < gate', sh, '${ $job.tenant }', \
                 '${ $job.id }']\n";
    // Of equal weight they would take turns.
    let stage = Stage::with(nodes, (0..4).map(|_| job("lab/a")).chain((0..4).map(|_| job("lab/b"))));
    stage.make_gate();
    stage.write("batchmill.toml", "[scheduler]\nkind = \"fair-share\"\noptions = { charge = \"cost\" }\n");
    let running = stage.start(&["--concurrency", "1"]);
    wait_until("a job that has started", || stage.count("started.") == 1);
    let said = stage.batchmill(&["limits", "set", "weights.lab/b=1000"]).expect(0).stdout;
    assert!(said.ends_with(": weights.lab/b is 1000, was 1\n"), "{said}");
    let said = stage.batchmill(&["limits", "set", "scheduler.options.weights.lab/b=1000"]).expect(0).stdout;
    assert!(said.ends_with("is 1000, as before\n"), "{said}");
    for (setting, words) in [
        ("weights.lab/b=0", "weights.lab/b: a weight must be above 0"),
        ("weights.lab/b=-1", "a weight must be 0.000001 to 1000000, found -1"),
        ("weights.lab/b=nan", "a weight must be 0.000001 to 1000000, found NaN"),
        ("weights.lab/b=much", "weights.lab/b: must be a number, found `much`"),
        ("weights.lab//b=2", "without empty parts"),
    ] {
        stage.batchmill(&["limits", "set", setting]).expect(65).says(words);
    }
    let _gate = stage.open_gate(8);
    running.end().expect(0);
    let order: Vec<String> = stage.read("order").lines().map(str::to_owned).collect();
    assert_eq!(order[1..5], ["lab/b"; 4], "{order:?}");
}

#[test]
fn a_scheduler_without_shares_has_no_weights() {
    let nodes = "  node:\n    run: [sh, -c, 'touch started.$1; read line < gate', sh, '${ $job.id }']\n";
    let stage = Stage::with(nodes, [job("a")]);
    stage.make_gate();
    stage.write("batchmill.toml", "[[limits]]\nname = \"weights\"\nconcurrency = 1\n");
    let running = stage.start(&[]);
    wait_until("a job that has started", || stage.count("started.") == 1);
    let no_shares = "weights.a: the scheduler divides nothing by weight; `fair-share` does";
    stage.batchmill(&["limits", "set", "weights.a=2"]).expect(65).says(no_shares);
    let either = "say `scheduler.options.weights.concurrency` or `limits.weights.concurrency`";
    stage.batchmill(&["limits", "set", "weights.concurrency=2"]).expect(65).says(either);
    stage.batchmill(&["limits", "set", "limits.weights.concurrency=2"]).expect(0);
    let _gate = stage.open_gate(1);
    running.end().expect(0);
}

#[test]
fn a_key_that_is_none_is_refused_with_its_line_before_anything_runs() {
    let stage = Stage::with(CLOCKED, [r#"{"host":"a"}"#, r#"{"host":{"name":"b"}}"#, r#"{"host":7}"#, r#"{}"#]);
    stage.write("batchmill.toml", "[[limits]]\nkey = \".input.host\"\nconcurrency = 2\n");
    stage.run(&[]).expect(65).says(
        "jobs.jsonl:2: the key of the limit `input.host`: must be text, a number or a boolean, or null where it does not apply, \
         found an object",
    );
    let stage = Stage::with(CLOCKED, [r#"{"host":"a"}"#]);
    let wrong = "[[limits]]\nkey = \".input\"\nrate = \"0/m\"\n[[limits]]\nkey = \".tenant |\"\nbreaker = { cooldown = \"1s\" }\n\
                 [[limits]]\nname = \"x\"\nburst = 2\n";
    stage.write("batchmill.toml", wrong);
    let done = stage.run(&[]).expect(78);
    for words in [
        "batchmill.toml:2:7: limits.0.key: must be text, a number or a boolean",
        "batchmill.toml:3:8: limits.0.rate: a rate of 0 lets nothing start",
        "limits.1.key: ",
        "limits.1.breaker: `breaker` needs `failures`",
        "limits.2: a limit needs at least one of `concurrency`, `rate` and `breaker`",
        "limits.2.burst: `burst` says something about a `rate`, and there is none",
    ] {
        assert!(done.stderr.contains(words), "no `{words}` in:\n{}", done.stderr);
    }
}

#[test]
fn a_batch_that_goes_on_has_its_limits_and_others_if_config_says_so() {
    let nodes = "  node:\n    run: [sh, -c, 'touch started.$1; read line < gate', sh, '${ .n }']\n";
    let stage = Stage::with(nodes, (1..=4).map(|n| format!(r#"{{"n":{n}}}"#)));
    stage.make_gate();
    stage.write("batchmill.toml", "[[limits]]\nkey = '.input.n % 2'\nconcurrency = 1\n");
    let running = stage.start(&["--concurrency", "8"]);
    wait_until("two jobs that have started", || stage.count("started.") == 2);
    running.signal("KILL");
    running.end();
    for n in 1..=4 {
        let _ = std::fs::remove_file(stage.path(&format!("started.{n}")));
    }
    stage.write("batchmill.toml", "[[limits]]\nkey = '.input.n > 1'\nconcurrency = 1\n");
    let running = stage.watch(stage.command(&["resume"]));
    wait_until("two jobs that have started", || stage.count("started.") == 2);
    let said = stage.batchmill(&["explain", "last", "4"]).expect(0).stdout;
    assert!(said.contains("limit `limit-1`, key `true`: one attempt runs, as many as may"), "{said}");
    let _gate = stage.open_gate(4);
    let done = running.end().expect(0);
    assert_eq!(field(&done.results(), "status"), ["succeeded"; 4]);
}
