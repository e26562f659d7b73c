//! What a rule may say, and how it is refused.

use serde_json::{Value, json};

use super::*;

/// How a rule is understood: `WHEN COUNTED THRESHOLD OF` and its qualifiers.
fn understood(rule: &Rule) -> String {
    let Some(condition) = rule.condition() else { return "never".to_owned() };
    let Condition { action, counted, threshold, of, min_sample, window, classes } = condition;
    let threshold = match threshold {
        Threshold::Count(count) => count.to_string(),
        Threshold::Share { parts, whole } => format!("{parts}/{whole} of {of:?}"),
    };
    let number = |name, jobs: &Option<u64>| jobs.map(|jobs| format!(" {name} {jobs}")).unwrap_or_default();
    let (sample, window) = (number("sample", min_sample), number("window", window));
    let classes: Vec<_> = classes.iter().map(|class| class.as_str()).collect();
    let classes = if classes.is_empty() { String::new() } else { format!(" by {}", classes.join(" ")) };
    format!("{action:?} {counted:?} {threshold}{sample}{window}{classes}")
}

fn refused(rule: Result<Rule, Error>) -> Vec<String> {
    let Error { faults } = rule.expect_err("it is refused");
    let place = |place: &Place| {
        let offset = place.offset.map(|offset| offset.to_string());
        place.path.iter().cloned().chain(offset).collect::<Vec<_>>().join(".")
    };
    faults.iter().map(|fault| format!("{}: {}", place(&fault.place), fault.message)).collect()
}

fn table(value: Value) -> Result<Rule, Error> {
    serde_json::from_value::<RuleSpec>(value).unwrap().parse()
}

#[test]
fn lines_are_understood_and_displayed_as_they_were_written() {
    for (line, expected) in [
        ("never", "never"),
        ("soon,fail=1", "Soon Failed 1"),
        ("now,fail=300", "Now Failed 300"),
        ("pause,fail=5", "Pause Failed 5"),
        ("soon,fail=18446744073709551615", "Soon Failed 18446744073709551615"),
        ("soon,fail=10%", "Soon Failed 10/100 of Total"),
        ("now,fail=2.5%", "Now Failed 25/1000 of Total"),
        ("soon,success=1", "Soon Succeeded 1"),
        ("now,success=100%", "Now Succeeded 100/100 of Total"),
        ("soon,done=50%", "Soon Done 50/100 of Total"),
        ("now,done=3", "Now Done 3"),
        ("soon,fail_rate=20%", "Soon Failed 20/100 of Done"),
        ("soon,fail_rate=20%,of=done", "Soon Failed 20/100 of Done"),
        ("soon,fail=20%,of=done", "Soon Failed 20/100 of Done"),
        ("soon,fail=20%,of=total", "Soon Failed 20/100 of Total"),
        ("now,success=90%,of=done,min_sample=50", "Now Succeeded 90/100 of Done sample 50"),
        ("soon,fail=3,min_sample=10", "Soon Failed 3 sample 10"),
        ("soon,fail=3,window=3", "Soon Failed 3 window 3"),
        (
            "soon,fail_rate=20%,window=100,min_sample=20,classes=timeout+transient",
            "Soon Failed 20/100 of Done sample 20 window 100 by transient timeout",
        ),
        ("soon,classes=crash,fail=3", "Soon Failed 3 by crash"),
    ] {
        let rule: Rule = line.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(understood(&rule), expected, "{line}");
        assert_eq!(rule.to_string(), line);
    }
}

#[test]
fn short_forms_display_as_what_they_stand_for() {
    for (short, long) in [
        ("0", "never"),
        ("1", "soon,fail=1"),
        ("2", "now,fail=1"),
        ("-1", "soon,success=1"),
        ("-2", "now,success=1"),
        ("5%", "soon,fail=5%"),
        ("100%", "soon,fail=100%"),
    ] {
        assert_eq!(short.parse::<Rule>().unwrap(), long.parse::<Rule>().unwrap(), "{short}");
        assert_eq!(short.parse::<Rule>().unwrap().to_string(), long);
    }
}

#[test]
fn a_table_says_the_same_as_a_line() {
    for (value, line) in [
        (json!({"when": "soon", "fail": 3}), "soon,fail=3"),
        (json!({"fail": "2.5%", "when": "now"}), "now,fail=2.5%"),
        (json!({"when": "pause", "done": "50%"}), "pause,done=50%"),
        (
            json!({"window": 100, "classes": ["timeout", "crash"], "min_sample": 20, "when": "soon", "fail_rate": "20%"}),
            "soon,fail_rate=20%,min_sample=20,window=100,classes=timeout+crash",
        ),
        (json!({"when": "now", "success": "90%", "of": "done"}), "now,success=90%,of=done"),
    ] {
        assert_eq!(table(value).unwrap(), line.parse::<Rule>().unwrap(), "{line}");
        assert_eq!(table(json!(line)).unwrap(), line.parse::<Rule>().unwrap(), "{line}");
    }
}

#[track_caller]
fn check(line: &str, expected: &[&str]) {
    assert_eq!(refused(line.parse()), expected, "{line}");
}

#[test]
fn a_line_that_is_none_is_refused_with_a_mend() {
    const FORM: &str = "write `never`, or `soon`, `now` or `pause` with a condition, for example `soon,fail=10%`";
    check("", &[&format!("0: a rule must not be empty; {FORM}")]);
    check("later,fail=1", &[&format!("0: `later` is none of `soon`, `now` and `pause`; {FORM}")]);
    check("Never", &["0: `Never` is no rule, did you mean `never`?"]);
    check("son,fail=1", &["0: `son` is no rule, did you mean `soon`?"]);
    check("never,fail=1", &["0: `never` stands alone: remove what follows it"]);
    check("3", &[&format!("0: `3` is none of the short forms, which are 0, 1, 2, -1, -2 and a percentage; {FORM}")]);
    check(
        "2.5%",
        &[&format!("0: `2.5%` is none of the short forms, which are 0, 1, 2, -1, -2 and a percentage; {FORM}")],
    );
    check("soon", &["0: `soon` needs a condition, for example `soon,fail=1`"]);
    check("soon,window=5", &["0: a condition is missing: `fail`, `success`, `done` or `fail_rate`"]);
    check("soon,", &["5: nothing stands behind this comma"]);
    check("soon,fail", &["5: `fail` has no value, for example `fail=3`"]);
    check("soon, fail=1", &["5: ` fail` has a space too many: write `fail`"]);
    check("soon,fial=1", &["5: unknown word `fial`, did you mean `fail`?"]);
    check("soon,fail=1,", &["12: nothing stands behind this comma"]);
    check("soon,fail=", &["10: `` is neither a whole number nor a percentage"]);
    check("soon,fail=+5", &["10: `+5` is neither a whole number nor a percentage"]);
    check("now,fail=101%", &["9: `101%` is more than 100%"]);
    check("now,done=0", &["9: the number of jobs must be at least 1"]);
}

#[test]
fn everything_that_is_wrong_with_a_line_is_told_at_once() {
    check(
        "late,fail=0,windw=5,of=all,min_sample=x,classes=timeout+slow+fatal+timeout",
        &[
            "0: `late` is none of `soon`, `now` and `pause`; write `never`, or `soon`, `now` or `pause` with a condition, \
             for example `soon,fail=10%`",
            "10: the number of jobs must be at least 1",
            "12: unknown word `windw`, did you mean `window`?",
            "23: `all` is neither `total` nor `done`",
            "38: `x` is not a number of jobs",
            "56: `slow` is not an error class that can be counted (transient, recoverable, permanent, timeout, resource, \
             crash)",
            "61: a `fatal` error stops the batch whatever the rules say",
            "67: `timeout` is there twice",
        ],
    );
}

#[test]
fn what_contradicts_itself_is_refused() {
    check("soon,fail=3,fail=4", &["12: `fail` is there twice"]);
    check(
        "soon,fail=3,success=4",
        &["12: a rule has one condition, and this one has `fail`: give `success` its own rule"],
    );
    check("soon,fail_rate=5", &["15: a rate is a percentage: write `5%`, or `fail=5` for a number of jobs"]);
    check(
        "soon,fail_rate=5%,of=total",
        &["18: a rate is of the jobs that have ended; `fail` takes a share of all jobs"],
    );
    check("soon,fail=5,of=done", &["12: `of` goes with a percentage, and this is a number of jobs"]);
    check("soon,done=5%,of=done", &["13: of the jobs that have ended, all have ended: `done` is of all jobs"]);
    check(
        "soon,done=5,window=9,min_sample=3",
        &[
            "12: `window` does not go with `done`, which counts every end",
            "21: `min_sample` does not go with `done`, which counts every end",
        ],
    );
    for (line, name) in [("soon,success=1,classes=timeout", "success"), ("soon,done=1,classes=timeout", "done")] {
        let place = line.find("classes").unwrap();
        check(line, &[&format!("{place}: error classes go with `fail` and `fail_rate`, not with `{name}`")]);
    }
    check("soon,fail=5%,window=100", &["13: `fail=5%` is of all jobs, and a window shows only some: add `of=done`"]);
    check(
        "soon,success=5%,of=total,window=100",
        &["25: `success=5%` is of all jobs, and a window shows only some: add `of=done`"],
    );
    check("soon,fail=5,window=4", &["12: a window of 4 ends never shows 5"]);
    check("soon,fail=5,window=0", &["19: a window must have room for at least 1 end"]);
    check("soon,fail_rate=5%,min_sample=20,window=10", &["18: a window of 10 ends never holds a sample of 20"]);
    check(
        "soon,fail=5,classes=",
        &[
            "20: `` is not an error class that can be counted (transient, recoverable, permanent, timeout, resource, crash)",
        ],
    );
    check("soon,fail=5,classes=cancelled", &["20: a job that was cancelled has not failed"]);
}

#[test]
fn a_table_is_refused_by_its_keys() {
    let every = json!({
        "when": "later", "fail": true, "fail_rate": 20, "windw": 5, "of": 1, "min_sample": -1, "window": "100",
        "classes": ["timeout", 5],
    });
    let expected = [
        "when: `later` is none of `soon`, `now` and `pause`",
        "fail: must be a number of jobs such as 3, or a percentage such as \"10%\"",
        "fail_rate: must be a percentage such as \"20%\"",
        "windw: unknown key `windw`, did you mean `window`?",
        "of: must be \"total\" or \"done\"",
        "window: must be a number of jobs, such as 100",
        "classes.1: must be a list of error classes, such as [\"timeout\"]",
        "min_sample: `-1` is not a number of jobs",
    ];
    assert_eq!(refused(table(every)), expected);
    assert_eq!(
        refused(table(json!({"fail": "3x"}))),
        [
            ": `when` is missing: \"soon\", \"now\" or \"pause\"",
            "fail: `3x` is neither a whole number nor a percentage"
        ]
    );
    assert_eq!(
        refused(table(json!({"when": "now", "fail": 2.5, "classes": []}))),
        ["fail: `2.5` is neither a whole number nor a percentage", "classes: no error class is named"]
    );
    assert_eq!(
        refused(table(json!({"when": "now"}))),
        [": a condition is missing: `fail`, `success`, `done` or `fail_rate`"]
    );
    assert_eq!(
        refused(table(json!({"when": "never", "fail": 1}))),
        ["when: `never` takes no table: write it as a string, alone in the list"]
    );
    let form = ": a rule is a string such as \"soon,fail=10%\", or a table such as { when = \"soon\", fail_rate = \"20%\", \
                window = 100 }";
    for other in [json!(2), json!(["soon,fail=1"]), json!(true)] {
        assert_eq!(refused(table(other)), [form]);
    }
}
