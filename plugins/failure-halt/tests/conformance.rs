//! `halt` against the failure kit, its config and GNU parallel's meaning.

use batchmill_core::{BuildContext, Directive, FailureStrategy, FinalResult, MonoTime, Options as Table, Status};
use batchmill_failure_halt::{Halt, Options, Rule, register};
use batchmill_plugin::Registry;
use batchmill_testkit::failure;
use serde_json::{Value, json};

fn table(json: Value) -> Table {
    match json {
        Value::Object(table) => table,
        other => panic!("options are an object, not {other}"),
    }
}

fn built(options: Value) -> Box<dyn FailureStrategy> {
    let mut registry = Registry::default();
    register(&mut registry);
    let factory = registry.get::<dyn FailureStrategy>("halt").unwrap();
    factory.build(&table(options), &BuildContext::default()).unwrap()
}

fn problems(options: Value) -> Vec<String> {
    let mut registry = Registry::default();
    register(&mut registry);
    let factory = registry.get::<dyn FailureStrategy>("halt").unwrap();
    let problems = factory.validate(&table(options)).err().unwrap_or_default();
    problems.iter().map(|p| format!("{p} @{}", p.offset.map_or("-".to_owned(), |o| o.to_string()))).collect()
}

/// Plays ends, one letter each (`.` succeeded, `f` failed, `t` timed out, `q` quarantined, `c` cancelled, `s` skipped), and
/// tells where and how the batch stops.
#[track_caller]
fn check(options: Value, total: u64, ends: &str, expected: &str) {
    let mut strategy = built(options);
    let stop = (1..).zip(ends.chars()).find_map(|(number, end)| {
        let status = match end {
            '.' => Status::Succeeded,
            'f' => Status::Failed,
            't' => Status::TimedOut,
            'q' => Status::Quarantined,
            'c' => Status::Cancelled,
            _ => Status::Skipped,
        };
        match strategy.on_result(&FinalResult::new(status, None, MonoTime::ZERO), total) {
            Directive::Continue => None,
            Directive::Soon(reason) => Some(format!("{number}: soon by {}: {}", reason.rule, reason.message)),
            Directive::Now(reason) => Some(format!("{number}: now by {}: {}", reason.rule, reason.message)),
            other => Some(format!("{number}: {other:?}")),
        }
    });
    assert_eq!(stop.as_deref().unwrap_or("goes on"), expected);
}

#[test]
fn halt_keeps_the_contract() {
    for options in [
        json!({}),
        json!({"rules": []}),
        json!({"rules": ["soon,fail=3"]}),
        json!({"rules": ["now,fail=10%", "soon,fail=2"], "min_sample": 0}),
    ] {
        failure::run(|| built(options.clone())).assert_passed();
    }
}

#[test]
fn nothing_stops_a_batch_by_default() {
    assert_eq!(serde_json::to_value(Options::default()).unwrap(), json!({"rules": ["never"], "min_sample": 20}));
    check(json!({}), 30, &"f".repeat(30), "goes on");
}

#[test]
fn failed_timed_out_and_quarantined_count() {
    let rules = json!({"rules": ["soon,fail=3"]});
    check(rules.clone(), 10, "f.t.q", "5: soon by soon,fail=3: 3 of 10 jobs failed");
    check(rules, 10, "ff.cscs", "goes on");
}

#[test]
fn percentages_are_of_all_jobs_and_exact() {
    let ends = format!("{}{}", "f".repeat(24), ".".repeat(900));
    check(json!({"rules": ["now,fail=2.5%"]}), 1000, &ends, "goes on");
    let stop = "25: now by now,fail=2.5%: 25 of 1000 jobs failed";
    check(json!({"rules": ["now,fail=2.5%"]}), 1000, &"f".repeat(30), stop);
    check(
        json!({"rules": ["now,fail=100%"], "min_sample": 0}),
        3,
        "fff",
        "3: now by now,fail=100%: 3 of 3 jobs failed",
    );
    // Less than one job is one job.
    check(json!({"rules": ["now,fail=1%"], "min_sample": 1}), 10, "..f", "3: now by now,fail=1%: 1 of 10 jobs failed");
}

#[test]
fn percentages_wait_for_the_sample_and_numbers_do_not() {
    let rules = json!({"rules": ["soon,fail=5%"]});
    let late = "20: soon by soon,fail=5%: 5 of 100 jobs failed";
    check(rules.clone(), 100, &format!("fffff{}", ".".repeat(20)), late);
    check(rules, 100, "fffff", "goes on");
    check(json!({"rules": ["soon,fail=1"]}), 100, "f", "1: soon by soon,fail=1: 1 of 100 jobs failed");
    for min_sample in [0, 1] {
        let rules = json!({"rules": ["soon,fail=1%"], "min_sample": min_sample});
        check(rules, 100, "f", "1: soon by soon,fail=1%: 1 of 100 jobs failed");
    }
}

#[test]
fn the_first_rule_that_is_reached_wins_in_the_order_of_the_list() {
    let stop = "2: soon by soon,fail=2: 2 of 9 jobs failed";
    check(json!({"rules": ["soon,fail=2", "now,fail=2"]}), 9, "ff", stop);
    check(json!({"rules": ["now,fail=3", "soon,fail=2"]}), 9, "ff", stop);
}

#[test]
fn every_bad_rule_is_reported_with_its_place() {
    let supported = "; supported are `never`, `soon,fail=N`, `soon,fail=N%`, `now,fail=N` and `now,fail=N%`";
    assert_eq!(
        problems(json!({"rules": ["soon,fail=0", "soon,success=1", "now,fail=3", "never"], "min_smaple": 3})),
        [
            "min_smaple: unknown key `min_smaple`, did you mean `min_sample`? @-".to_owned(),
            format!("rules.0: the number of failures must be at least 1{supported} @10"),
            format!("rules.1: the condition `success` is not supported{supported} @5"),
            "rules.3: `never` stands alone: remove it, or the other rules @-".to_owned(),
        ]
    );
    assert_eq!(
        problems(json!({"min_sample": -1}))[0].split(',').next(),
        Some("min_sample: invalid value: integer `-1`")
    );
}

#[test]
fn rules_of_a_command_line_become_options() {
    let rules: Vec<Rule> = ["now,fail=10%", "soon,fail=3"].map(|text| text.parse().unwrap()).to_vec();
    let options = Options::with_rules(&rules).min_sample(1);
    assert_eq!(options.rules, ["now,fail=10%", "soon,fail=3"]);
    let mut halt = Halt::new(&options).unwrap();
    let end = FinalResult::new(Status::Failed, None, MonoTime::ZERO);
    assert!(matches!(halt.on_result(&end, 10), Directive::Now(_)));
}
