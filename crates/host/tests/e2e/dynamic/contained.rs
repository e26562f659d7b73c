//! Panics, wrong answers and calls that do not end: the host lives, no job is lost, and the plugin is named.

use batchmill_abi::host::{Containment, LoadRequest, load};
use batchmill_core::{BuildContext, ClassId, Entry, Factory, MonoTime, PluginKind, Priority, Scheduler, Token};
use batchmill_testkit::options;
use serde_json::json;

use super::{all_succeeded, stage};
use crate::stage::{Stage, records};

fn policy(section: &str, options: &str) -> String {
    format!("[{section}]\nkind = \"faulty\"\noptions = {{ {options} }}\n")
}

#[test]
fn a_scheduler_that_panics_ends_the_host_and_a_resume_loses_nothing() {
    let stage = stage(50);
    stage.config("", &policy("scheduler", "fault = \"panic\", after = 20"));
    stage
        .run(&["--output", "out.jsonl"])
        .expect(75)
        .says("plugin batchmill-faulty (scheduler faulty): `pop` panicked: it panics in a call");
    stage.batchmill(&["resume", "--set", "scheduler.kind=fifo"]).expect(0);
    all_succeeded(&records(&stage.read("out.jsonl")), 50);
}

#[test]
fn a_thousand_panics_of_a_scheduler_cost_no_job() {
    let stage = stage(1000);
    let metrics = "[metrics]\nkind = \"prometheus\"\noptions = { textfile = \"metrics.prom\" }\n";
    let scheduler = policy("scheduler", "fault = \"panic\", after = 1");
    stage.config("on_fault = \"recreate\"\nrecreate_max = 5000", &format!("{scheduler}{metrics}"));
    stage.run(&["--output", "out.jsonl"]).expect(0).says("a fresh instance takes its place");
    all_succeeded(&records(&stage.read("out.jsonl")), 1000);
    let metrics = stage.read("metrics.prom");
    let panics =
        metrics.lines().find_map(|line| line.strip_prefix("batchmill_plugin_panics_total{name=\"batchmill-faulty\"} "));
    let panics: u64 = panics.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap();
    assert!(panics >= 1000, "{panics} panics of a thousand");
}

#[test]
fn a_panic_whose_payload_panics_too_is_contained() {
    for fault in ["panic-payload", "panic-drop", "panic-thread"] {
        let stage = stage(20);
        let scheduler = policy("scheduler", &format!("fault = \"{fault}\", after = 5"));
        stage.config("on_fault = \"recreate\"\nrecreate_max = 100", &scheduler);
        stage.run(&["--output", "out.jsonl"]).expect(0);
        all_succeeded(&records(&stage.read("out.jsonl")), 20);
    }
}

#[test]
fn a_built_in_takes_the_place_of_a_policy_that_panics() {
    for (section, built_in) in [("scheduler", "fifo"), ("failure", "halt")] {
        let stage = stage(50);
        stage.config(&format!("on_fault = \"fallback:{built_in}\""), &policy(section, "fault = \"panic\", after = 7"));
        stage.run(&["--output", "out.jsonl"]).expect(0).says("takes its place");
        all_succeeded(&records(&stage.read("out.jsonl")), 50);
    }
    let stage = failing(10);
    stage.config("on_fault = \"fallback:exponential\"", &policy("retry", "fault = \"panic\""));
    let done = stage.run(&["--output", "out.jsonl"]).expect(1).says("takes its place");
    let results = records(&stage.read("out.jsonl"));
    assert!(results.iter().all(|result| result["attempts"] == 3), "as `exponential` has it: {}", done.stderr);
}

/// Jobs that fail at once.
fn failing(jobs: usize) -> Stage {
    Stage::with("  node: {run: ['false']}\n", (0..jobs).map(|n| format!("{{\"id\": \"j{n}\", \"input\": {{}}}}")))
}

#[test]
fn a_retry_policy_that_panics_is_made_anew() {
    let stage = failing(10);
    stage.config("on_fault = \"recreate\"\nrecreate_max = 100", &policy("retry", "fault = \"panic\", after = 3"));
    stage.run(&["--output", "out.jsonl"]).expect(1);
    let results = records(&stage.read("out.jsonl"));
    assert_eq!(results.len(), 10);
    assert!(results.iter().all(|result| result["attempts"] == 3));
}

#[test]
fn an_absurd_wait_is_not_waited_and_the_job_says_why() {
    let stage = failing(2);
    stage.config("", &policy("retry", "fault = \"absurd\""));
    stage.run(&["--output", "out.jsonl"]).expect(1).says("which is absurd");
    let results = records(&stage.read("out.jsonl"));
    assert!(results.iter().all(|result| result["attempts"] == 1 && result["status"] == "failed"));
}

#[test]
fn a_scheduler_that_hands_out_a_job_twice_starts_it_once() {
    let stage = stage(30);
    // After ten good answers each is one that was given before: the rest has to wait for another scheduler.
    stage.config("on_fault = \"fallback:fifo\"", &policy("scheduler", "fault = \"twice\", after = 10"));
    let done = stage.run(&["--output", "out.jsonl"]).expect(0);
    all_succeeded(&records(&stage.read("out.jsonl")), 30);
    assert!(done.stderr.contains("wrong answers in a row"), "{}", done.stderr);
}

#[test]
fn a_sink_that_panics_is_made_anew_and_goes_on() {
    // So many that they come in more than one write.
    let stage = stage(3000);
    let sink = "[[sinks]]\nkind = \"faulty\"\noptions = { fault = \"panic\", after = 1 }\n";
    stage.config("on_fault = \"recreate\"\nrecreate_max = 1000", sink);
    stage.run(&["--output", "out.jsonl"]).expect(0).says("a fresh instance takes its place");
    all_succeeded(&records(&stage.read("out.jsonl")), 3000);
}

#[test]
fn a_job_that_waits_is_picked_beside_jobs_that_are_made_up() {
    let plugin = load(&LoadRequest { path: stage(0).faulty(), ..LoadRequest::default() }).unwrap();
    // Nothing may replace it: only such a scheduler is asked for many at once.
    let remote = plugin.factories(PluginKind::Scheduler, &Containment::default()).remove(0);
    let options = options(json!({"fault": "absurd", "after": 1}));
    let mut scheduler = Factory::<dyn Scheduler>::build(&remote, &options, &BuildContext::default()).unwrap();
    scheduler.push(Entry::new(Token(7), ClassId(0), Priority(0), "a", MonoTime::ZERO));
    let mut picked = Vec::new();
    scheduler.pop_many(MonoTime::ZERO, 3, &mut picked);
    assert!(picked.contains(&Token(7)) && picked.len() == 3, "dispatch passes over the others: {picked:?}");
}
