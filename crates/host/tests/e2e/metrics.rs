//! The metrics of real runs: against a real Prometheus, and against the report of the same run.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    prometheus_server::{Prometheus, free_address},
    stage::{Stage, records, skipped, wait_until},
};

const CONFIG: [&str; 2] = ["--set", "metrics.kind=prometheus"];

/// What tenants may be called.
const TENANTS: [&str; 5] = ["research", r"CORP\anna", r"CORP\\anna", "say \"hi\", Zürich", "other"];

/// Jobs that hang, or wait at the gate and then succeed, fail, or succeed when repeated; every tenant has each.
fn a_mixed_batch() -> Stage {
    const NODE: &str = "  node:
    run:
      - sh
      - -c
      - |
        case $1 in hangs) exec sleep 600;; esac
        read line < gate
        case $1 in
          fails) exit 1;;
          flaky) test $BATCHMILL_ATTEMPT = 2;;
        esac
      - sh
      - ${ .does }
    retry: {max_attempts: 2, delay: 1ms}
";
    let does = ["succeeds", "succeeds", "succeeds", "fails", "flaky", "hangs"];
    let job = |tenant: &str, does: &str| {
        let timeout = if does == "hangs" { "300ms" } else { "10m" };
        json!({"input": {"does": does}, "tenant": tenant, "timeout": timeout})
    };
    let jobs = TENANTS.iter().flat_map(|tenant| does.map(|does| job(tenant, does)));
    let stage = Stage::with(NODE, jobs.map(|job| job.to_string()));
    stage.make_gate();
    stage
}

fn a_number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// A job is counted once, whatever the scraper saw before: the last sample of each series.
fn last(selector: &str) -> String {
    format!("last_over_time({selector}[1h])")
}

#[test]
fn a_real_prometheus_knows_to_the_job_what_the_report_says() {
    let stage = a_mixed_batch();
    let target = free_address();
    let prometheus = match Prometheus::start(&stage, &target) {
        Ok(prometheus) => prometheus,
        Err(error) => return skipped("a real Prometheus against the report", &format!("prometheus: {error}")),
    };
    let options = format!("metrics.options={{listen='{target}', linger='10m', textfile='x.prom'}}");
    let args = ["--set", &options, "--concurrency", "2", "--report", "report.json"];
    let running = stage.start(&[&CONFIG[..], &args[..], &["--output", "results.jsonl"]].concat());

    // While it runs: two attempts wait at the gate, the other jobs for a slot.
    let jobs = stage.read("jobs.jsonl").lines().count();
    wait_until("a scrape of the running batch", || {
        prometheus.number("batchmill_jobs_running") == Some(2.0)
            && prometheus.number("sum(batchmill_queue_depth)") == Some(jobs as f64 - 2.0)
    });
    let _gate = stage.open_gate(1000);
    // It lingers for ten minutes at most: that it ends soon shows that one scrape of the final numbers ends it.
    running.end().expect(1);
    wait_until("a scrape that found nobody", || prometheus.number("up") == Some(0.0));

    let report: Value = serde_json::from_str(&stage.read("report.json")).unwrap();
    let results = records(&stage.read("results.jsonl"));
    compare(&prometheus, &report, &results);
    promtool_finds_nothing(&stage.read("x.prom"));
}

fn compare(prometheus: &Prometheus, report: &Value, results: &[Value]) {
    let ask = |query: &str, by: &str| prometheus.ask(query, by);
    let number = |query: String| prometheus.number(&query).unwrap_or_else(|| panic!("no answer to {query}"));

    let statuses = ask(&format!("sum by (status) ({})", last("batchmill_jobs_total")), "status");
    for (status, jobs) in &statuses {
        assert_eq!(*jobs, a_number(&report["counts"][status]), "{status}");
    }
    assert_eq!(statuses.values().sum::<f64>(), a_number(&report["counts"]["submitted"]), "{statuses:?}");
    for status in ["succeeded", "failed", "timed_out"] {
        assert!(statuses[status] > 0.0, "this batch shows {status}");
    }

    let tenants = ask(&format!("sum by (tenant) ({})", last("batchmill_jobs_total{status='succeeded'}")), "tenant");
    let mut expected: BTreeMap<String, f64> = BTreeMap::new();
    for result in results {
        let succeeded = f64::from(u8::from(result["status"] == "succeeded"));
        *expected.entry(result["tenant"].as_str().unwrap().to_owned()).or_default() += succeeded;
    }
    assert_eq!(tenants, expected, "names of tenants arrive as they were written");

    let attempts: f64 = results.iter().map(|result| a_number(&result["attempts"])).sum();
    assert_eq!(number(format!("sum({})", last("batchmill_attempts_total{outcome=~'succeeded|failed'}"))), attempts);
    assert_eq!(number(last("batchmill_attempts_total{outcome='succeeded'}")), statuses["succeeded"]);
    assert_eq!(number(format!("sum({})", last("batchmill_retries_total"))), a_number(&report["retries"]));
    let classes = ask(&format!("sum by (class) ({}) > 0", last("batchmill_retries_total")), "class");
    assert_eq!(classes.keys().collect::<Vec<_>>(), ["timeout", "transient"]);

    let jobs = results.len() as f64;
    for (histogram, count) in [
        ("batchmill_attempt_duration_seconds", attempts),
        ("batchmill_job_duration_seconds", jobs),
        ("batchmill_queue_wait_seconds", jobs),
    ] {
        assert_eq!(number(last(&format!("{histogram}_count"))), count, "{histogram}");
        assert_eq!(number(last(&format!("{histogram}_bucket{{le='+Inf'}}"))), count, "{histogram}");
    }
    let durations: f64 = results.iter().map(|result| a_number(&result["duration_seconds"])).sum();
    // Results have whole microseconds.
    assert!((number(last("batchmill_job_duration_seconds_sum")) - durations).abs() < 1e-3);
    assert_eq!(number(last("batchmill_schedule_decision_seconds_count")), (attempts / 64.0).ceil());

    for nothing in [
        "sum(last_over_time(batchmill_queue_depth[1h]))",
        "last_over_time(batchmill_jobs_running[1h])",
        "last_over_time(batchmill_backoff_jobs[1h])",
        "last_over_time(batchmill_draining[1h])",
        "sum(last_over_time(batchmill_sink_lag_jobs[1h]))",
        "sum(last_over_time(batchmill_plugin_panics_total[1h]))",
        "last_over_time(batchmill_conservation_violations_total[1h])",
    ] {
        assert_eq!(number(nothing.to_owned()), 0.0, "{nothing}");
    }
}

/// Prometheus's own check of names, types, help texts and syntax.
fn promtool_finds_nothing(text: &str) {
    let mut command = Command::new("promtool");
    let command =
        command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = command.spawn().expect("promtool comes with Prometheus");
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}\n{text}");
}

/// The samples of a family, by their labels as they are written.
fn samples<'t>(text: &'t str, family: &str) -> BTreeMap<&'t str, f64> {
    let of_family = text.lines().filter_map(|line| line.strip_prefix(family)?.strip_prefix('{')?.rsplit_once("} "));
    of_family.map(|(labels, number)| (labels, number.parse().unwrap())).collect()
}

#[test]
fn the_text_file_has_the_final_numbers_also_where_tenants_are_too_many_to_be_named() {
    let jobs = (0..450).map(|n| json!({"input": {}, "tenant": format!("tenant-{}", n % 150)}).to_string());
    let stage = Stage::with("  node: {set: '{}'}\n", jobs);
    stage.run(&[&CONFIG[..], &["--set", "metrics.options={textfile='x.prom'}"]].concat()).expect(0);
    let text = stage.read("x.prom");

    let counted = samples(&text, "batchmill_jobs_total");
    assert_eq!(counted.values().sum::<f64>(), 450.0);
    let succeeded: BTreeMap<_, _> = counted.iter().filter(|(labels, _)| labels.contains("\"succeeded\"")).collect();
    assert_eq!(succeeded.len(), 101);
    for (labels, jobs) in succeeded {
        // The first hundred of the file have their own series, three jobs each; fifty others share one.
        let expected = if labels.contains("tenant=\"other\"") { 150.0 } else { 3.0 };
        assert_eq!(*jobs, expected, "{labels}");
    }
    let depths = samples(&text, "batchmill_queue_depth");
    assert_eq!((depths.len(), depths.values().sum::<f64>()), (101, 0.0));
    let tenants = |labels: &BTreeMap<&str, f64>| -> BTreeSet<String> {
        let of = |labels: &&str| labels.split("tenant=").nth(1).map(str::to_owned);
        labels.keys().filter_map(of).collect()
    };
    assert_eq!(tenants(&depths), tenants(&counted), "the same tenants are named everywhere");
}

#[test]
fn a_limit_lowered_for_few_descriptors_is_counted() {
    let stage = Stage::with("  node: {set: '{}'}\n", ["{}"]);
    let set = "metrics={kind='prometheus', options={textfile='x.prom'}}";
    let binary = env!("CARGO_BIN_EXE_batchmill");
    let run = format!("ulimit -n 100; exec {binary} run flow.yaml jobs.jsonl --concurrency 50 --set \"{set}\"");
    let output = stage.shell(&run).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = stage.read("x.prom");
    assert!(text.contains("\nbatchmill_concurrency_limit 12\n"), "{text}");
    let changes = samples(&text, "batchmill_concurrency_limit_changes_total");
    assert_eq!(changes, BTreeMap::from([("reason=\"descriptors\"", 1.0), ("reason=\"request\"", 0.0)]));
}

#[test]
fn a_run_that_is_told_to_end_does_not_linger() {
    let stage = Stage::with("  node: {run: [sh, -c, 'read line < gate']}\n", ["{}", "{}"]);
    stage.make_gate();
    let options = format!("metrics.options={{listen='{}', linger='10m'}}", free_address());
    let running = stage.start(&[&CONFIG[..], &["--set", &options, "--concurrency", "1"]].concat());
    wait_until("the first job", || stage.path("stderr").exists() && !stage.read("stderr").is_empty());
    running.signal("TERM");
    running.wait_for("Draining");
    let _gate = stage.open_gate(1);
    running.end().expect(75);
}

#[test]
fn a_signal_ends_the_lingering() {
    let stage = Stage::with("  node: {set: '{}'}\n", ["{}"]);
    let options = format!("metrics.options={{listen='{}', linger='10m'}}", free_address());
    let running = stage.start(&[&CONFIG[..], &["--set", &options]].concat());
    running.wait_for("1 succeeded");
    running.signal("INT");
    running.end().expect(0);
}
