//! Numbers: progress, report and metrics tell the same story.

use serde_json::Value;

use crate::stage::{Stage, skipped};

const MIXED: &str = "  node:\n    run: [sh, -c, 'exit ${ .n % 3 }']\n    retry: {max_attempts: 2, delay: 1ms}\n";

fn mixed() -> Stage {
    Stage::with(MIXED, (0..60).map(|n| format!(r#"{{"n":{n}}}"#)))
}

fn lines(stderr: &str) -> Vec<Value> {
    stderr
        .lines()
        .filter(|line| line.starts_with("{\"type\":\"progress\""))
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

#[test]
fn the_conservation_law_holds_in_every_line_of_progress() {
    let done = mixed().run(&["--progress", "json"]).expect(1);
    let lines = lines(&done.stderr);
    assert!(lines.len() >= 2, "the first and the last line are always written");
    for line in &lines {
        let number = |name: &str| line[name].as_u64().unwrap_or_else(|| panic!("{name} in {line}"));
        let ended = ["succeeded", "failed", "timed_out", "cancelled", "skipped", "quarantined"];
        let open = ["pending", "running", "recording", "backing_off"];
        let accounted: u64 = ended.iter().chain(&open).map(|name| number(name)).sum();
        assert_eq!(accounted, number("submitted"), "{line}");
        assert_eq!(number("submitted"), 60, "all jobs are accepted before the first start");
        assert!(line["rate"].is_f64() && (line["eta_seconds"].is_f64() || line["eta_seconds"].is_null()), "{line}");
    }
    let last = lines.last().unwrap();
    assert_eq!((&last["succeeded"], &last["failed"], &last["pending"]), (&20.into(), &40.into(), &0.into()));
}

#[test]
fn a_dumb_terminal_gets_lines_and_no_escapes() {
    let shown = |term: &str| {
        let stage = Stage::with("  node: {set: '{}'}\n", ["{}"]);
        let run = format!("{} run flow.yaml jobs.jsonl --output results.jsonl", env!("CARGO_BIN_EXE_batchmill"));
        // A terminal of its own; what it shows is the output.
        let output = stage
            .prepared("script", &["--quiet", "--return", "--command", &run, "/dev/null"])
            .env("TERM", term)
            .output();
        let output = output.ok()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        Some(String::from_utf8(output.stdout).unwrap())
    };
    let (Some(dumb), Some(able)) = (shown("dumb"), shown("xterm-256color")) else {
        return skipped("optional a_dumb_terminal_gets_lines_and_no_escapes", "no `script`");
    };
    assert!(!dumb.contains('\u{1b}') && dumb.contains("succeeded"), "{dumb:?}");
    assert!(able.contains('\u{1b}'), "{able:?}");
}

#[test]
fn even_an_empty_batch_writes_its_first_and_last_line() {
    let done = Stage::with(MIXED, [""; 0]).run(&["--progress", "json"]).expect(0);
    assert_eq!(lines(&done.stderr).len(), 2);
}

#[test]
fn metrics_and_report_agree_to_the_job() {
    let stage = mixed();
    stage.write("batchmill.toml", "[metrics]\nkind = \"prometheus\"\noptions = { textfile = \"batchmill.prom\" }\n");
    stage.run(&["--report", "report.json"]).expect(1);
    let report: Value = serde_json::from_str(&stage.read("report.json")).unwrap();
    let metrics = stage.read("batchmill.prom");
    let value = |name: &str, labels: &[&str]| -> f64 {
        let matching = metrics.lines().filter(|line| {
            line.starts_with(name)
                && line[name.len()..].starts_with(['{', ' '])
                && labels.iter().all(|l| line.contains(l))
        });
        matching.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    };
    for status in ["succeeded", "failed", "timed_out", "cancelled", "skipped", "quarantined"] {
        let counted = value("batchmill_jobs_total", &[&format!("status=\"{status}\"")]);
        assert_eq!(Some(counted), report["counts"][status].as_f64(), "{status}");
    }
    assert_eq!(Some(value("batchmill_retries_total", &[])), report["retries"].as_f64());
    assert_eq!(value("batchmill_attempts_total", &[]), 100.0, "20 once, 40 twice");
    assert_eq!(value("batchmill_jobs_running", &[]), 0.0);
    assert_eq!(value("batchmill_conservation_violations_total", &[]), 0.0);
    assert!(value("batchmill_sink_writes_total", &["sink=\"output\"", "outcome=\"ok\""]) >= 1.0);
    assert_eq!(value("batchmill_sink_writes_total", &["outcome=\"failed\""]), 0.0);
    assert!(metrics.contains("batchmill_plugin_info{"), "{metrics}");
}
