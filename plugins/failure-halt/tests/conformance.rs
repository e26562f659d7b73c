//! `halt` against the failure kit, its config and GNU parallel's meaning.

mod model;

use batchmill_core::{
    BuildContext, Directive, ErrorClass, FailureStrategy, FinalResult, JobError, MonoTime, Status, StopReason,
};
use batchmill_failure_halt::{Halt, Options, Rule, register};
use batchmill_plugin::Registry;
use batchmill_testkit::{failure, options as table};
use serde_json::{Value, json};

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
        let class = match end {
            't' => ErrorClass::Timeout,
            'q' => ErrorClass::Crash,
            _ => ErrorClass::Permanent,
        };
        let error = JobError::new(class, "test", "a test");
        let error = Some(&error).filter(|_| status != Status::Succeeded);
        let (how, reason) = match strategy.on_result(&FinalResult::new(status, error, MonoTime::ZERO), total) {
            Directive::Continue => return None,
            Directive::Soon(reason) => ("soon", reason),
            Directive::Now(reason) => ("now", reason),
            Directive::Pause(reason) => ("pause", reason),
            other => panic!("{other:?}"),
        };
        let how = if reason.success { format!("{how}, a success,") } else { how.to_owned() };
        Some(format!("{number}: {how} by {}: {}", reason.rule, reason.message))
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
        json!({"rules": ["soon,success=40%", "now,done=70%"]}),
        json!({"rules": ["pause,fail_rate=50%,window=20,classes=timeout+crash", {"when": "soon", "fail": 50}]}),
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
    check(json!({"rules": ["soon,fail=2", "now,done=2"]}), 9, "ff", stop);
    check(json!({"rules": ["now,success=2", "soon,fail=2"]}), 9, "ff", stop);
}

#[test]
fn enough_successes_stop_a_batch_as_a_success() {
    check(
        json!({"rules": ["soon,success=2"]}),
        9,
        "f.f.",
        "4: soon, a success, by soon,success=2: 2 of 9 jobs succeeded",
    );
    check(
        json!({"rules": ["now,success=50%"]}),
        4,
        "f..",
        "3: now, a success, by now,success=50%: 2 of 4 jobs succeeded",
    );
    let last = "3: soon, a success, by soon,success=1: 1 of 3 jobs succeeded";
    check(json!({"rules": ["soon,success=1"]}), 3, "ff.", last);
}

#[test]
fn enough_ends_stop_a_batch_unless_they_are_all() {
    check(json!({"rules": ["soon,done=3"]}), 9, ".fc.", "4: soon by soon,done=3: 3 of 9 jobs ended");
    check(json!({"rules": ["now,done=50%"]}), 3, "..", "2: now by now,done=50%: 2 of 3 jobs ended");
    check(json!({"rules": ["soon,done=100%", "soon,done=3"]}), 3, "...", "goes on");
}

#[test]
fn a_rate_is_of_the_jobs_that_have_ended() {
    let rules = json!({"rules": ["soon,fail_rate=50%"], "min_sample": 4});
    check(rules.clone(), 100, "fff", "goes on");
    check(rules.clone(), 100, "f...f.ff", "8: soon by soon,fail_rate=50%: 4 of 8 ended jobs failed");
    check(rules, 100, "f..f", "4: soon by soon,fail_rate=50%: 2 of 4 ended jobs failed");
    let successes = json!({"rules": ["now,success=75%,of=done,min_sample=4"]});
    check(
        successes,
        100,
        "...f",
        "4: now, a success, by now,success=75%,of=done,min_sample=4: 3 of 4 ended jobs succeeded",
    );
}

#[test]
fn a_window_forgets() {
    let rules = json!({"rules": [{"when": "soon", "fail_rate": "60%", "window": 5, "min_sample": 5}]});
    check(rules.clone(), 99, "ff.........f.f", "goes on");
    let stop = "12: soon by soon,fail_rate=60%,min_sample=5,window=5: 3 of the last 5 jobs failed";
    check(rules, 99, "ff.......fff", stop);
    let stop = "8: now by now,fail=2,window=2: 2 of the last 2 jobs failed";
    check(json!({"rules": ["now,fail=2,window=2"]}), 99, "f.f.f.ff", stop);
}

#[test]
fn only_failures_of_the_named_classes_count() {
    let rules = json!({"rules": ["soon,fail=2,classes=timeout+crash"]});
    check(rules.clone(), 9, "ffff", "goes on");
    let stop = "5: soon by soon,fail=2,classes=timeout+crash: 2 of 9 jobs failed by timeout or crash";
    check(rules, 9, "tf.fq", stop);
    let rate = json!({"rules": ["soon,fail_rate=50%,classes=timeout,min_sample=1"]});
    check(
        rate,
        9,
        "f.tt",
        "4: soon by soon,fail_rate=50%,classes=timeout,min_sample=1: 2 of 4 ended jobs failed by timeout",
    );
}

#[test]
fn a_rule_that_pauses_counts_anew_from_its_pause() {
    let mut halt = built(json!({"rules": ["pause,fail=2", "soon,fail=5"]}));
    let failed = FinalResult::new(Status::Failed, None, MonoTime::ZERO);
    let answers: Vec<_> = (0..5).map(|_| halt.on_result(&failed, 9)).collect();
    let pause = |message: &str| Directive::Pause(StopReason::new("pause,fail=2", message));
    let expected = [
        Directive::Continue,
        pause("2 of 9 jobs failed"),
        Directive::Continue,
        pause("2 of 9 jobs failed since the last pause"),
        Directive::Soon(StopReason::new("soon,fail=5", "5 of 9 jobs failed")),
    ];
    assert_eq!(answers, expected);
}

#[test]
fn the_last_job_pauses_nothing() {
    check(json!({"rules": ["pause,fail=1"]}), 2, ".f", "goes on");
    check(json!({"rules": ["pause,success=1"]}), 2, ".f", "1: pause by pause,success=1: 1 of 2 jobs succeeded");
}

#[test]
fn every_bad_rule_is_reported_with_its_place() {
    let rules = json!([
        "soon,fail=0,windw=3", "soon,sucess=1", {"when": "soon", "fail_rate": "20%", "windw": 5, "of": "all"}, 7, "now,fail=3",
        {"when": "now", "fail": 3}, "soon,fail_rate=20%,window=10", "never",
    ]);
    assert_eq!(
        problems(json!({"rules": rules, "min_smaple": 3})),
        [
            "rules.2.windw: unknown key `windw`, did you mean `window`? @-",
            "min_smaple: unknown key `min_smaple`, did you mean `min_sample`? @-",
            "rules.0: the number of jobs must be at least 1 @10",
            "rules.0: unknown word `windw`, did you mean `window`? @12",
            "rules.1: unknown word `sucess`, did you mean `success`? @5",
            "rules.2.of: `all` is neither `total` nor `done` @-",
            "rules.3: a rule is a string such as \"soon,fail=10%\", or a table such as \
             { when = \"soon\", fail_rate = \"20%\", window = 100 } @-",
            "rules.5: says the same as rules.4: remove one of them @-",
            "rules.6: a window of 10 ends never holds the sample of 20 that `min_sample` asks of percentages: give the rule a \
             `min_sample` of its own, at most 10 @-",
            "rules.7: `never` stands alone: remove it, or the other rules @-",
        ]
    );
    assert_eq!(
        problems(json!({"min_sample": -1}))[0].split(',').next(),
        Some("min_sample: invalid value: integer `-1`")
    );
    assert_eq!(problems(json!({"rules": "soon,fail=1"})).len(), 1, "rules are a list");
}

#[test]
fn a_rule_that_another_always_forestalls_is_refused_in_either_order() {
    let never = |rules: Value| problems(json!({"rules": rules}));
    for (stop, late) in [
        ("soon,fail=3", "now,fail=3"),
        ("soon,fail=3", "now,fail=10"),
        ("now,fail=3", "pause,fail=3"),
        ("soon,fail=2.5%", "now,fail=10%"),
        ("soon,fail=2", "now,fail=10%"),
        ("soon,fail=3", "now,fail=3,min_sample=2"),
        ("soon,fail_rate=10%", "now,fail=10%"),
        ("soon,fail_rate=20%,window=50", "now,fail_rate=20%,window=50"),
    ] {
        let told = never(json!([stop, late]));
        let words = format!("never acts: by then `{stop}`, rules.0, has stopped the batch; remove one of them");
        assert!(
            told.iter().any(|problem| problem.starts_with(&format!("rules.1: {words}"))),
            "{stop} {late}: {told:?}"
        );
    }
    for (late, stop) in [
        ("now,fail=10", "soon,fail=3"),
        ("pause,fail=10", "soon,fail=3"),
        ("soon,fail=5,classes=timeout", "now,done=4"),
        ("now,fail=50%", "soon,fail=9"),
    ] {
        let told = never(json!([late, stop]));
        let words = format!("never acts: by then `{stop}`, rules.1, has stopped the batch; remove one of them");
        assert!(
            told.iter().any(|problem| problem.starts_with(&format!("rules.0: {words}"))),
            "{late} {stop}: {told:?}"
        );
    }
    for both in [
        ["now,fail=10", "soon,fail=3,classes=timeout"],
        ["now,fail=10%", "soon,fail=5%"],
        ["now,fail=10%", "soon,fail=3"],
        ["now,fail=1", "soon,done=1"],
        ["soon,fail=10%", "now,fail=100"],
        ["pause,fail=3", "soon,fail=3"],
        ["soon,fail=3", "now,success=3"],
        ["soon,fail=3,min_sample=9", "now,fail=3"],
    ] {
        assert_eq!(never(json!(both)), [""; 0], "{both:?}");
    }
    let delayed = json!(["pause,fail=3", "now,fail=4", "soon,fail=3"]);
    assert_eq!(never(delayed), [""; 0], "the third failure pauses, and the fourth comes to `now` first");
}

#[test]
fn rules_of_a_command_line_become_options() {
    let rules: Vec<Rule> = ["now,fail=10%", "soon,fail=3"].map(|text| text.parse().unwrap()).to_vec();
    let options = Options::with_rules(&rules).min_sample(1);
    assert_eq!(
        serde_json::to_value(&options).unwrap(),
        json!({"rules": ["now,fail=10%", "soon,fail=3"], "min_sample": 1})
    );
    let mut halt = Halt::new(&options).unwrap();
    let end = FinalResult::new(Status::Failed, None, MonoTime::ZERO);
    assert!(matches!(halt.on_result(&end, 10), Directive::Now(_)));
}
