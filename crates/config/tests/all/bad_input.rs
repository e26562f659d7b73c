//! What the user sees when something is wrong.

use batchmill_config::Flag;
use proptest::prelude::*;

use crate::Case;

/// Loads `text` as the project's file.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(Case::new().project(text).problems(), expected, "\n{text}");
}

#[test]
fn wrong_types_say_what_was_found_and_expected() {
    check(
        "[executor]\nconcurrency = \"ten\"\ntimeout = 5\ndrain_timeout = [1]\n",
        &[
            "batchmill.toml:2:15: executor.concurrency: `ten` is no concurrency; write a number, \"auto\" or a percentage of \
             the CPUs such as \"75%\"",
            "batchmill.toml:3:11: executor.timeout: a duration needs a unit, for example \"5s\"",
            "batchmill.toml:4:17: executor.drain_timeout: invalid type: sequence, expected a duration such as \"30s\"",
        ],
    );
    check(
        "executor = 1\nscheduler = \"fifo\"\nsinks = {kind = \"jsonl\"}\n",
        &[
            "batchmill.toml:1:12: executor: invalid type: integer `1`, expected a table",
            "batchmill.toml:2:13: scheduler: invalid type: string \"fifo\", expected a table",
            "batchmill.toml:3:9: sinks: invalid type: table, expected a list of tables, as by `[[…]]`",
        ],
    );
    check(
        "[retry]\nkind = 3\noptions = true\n[failure]\noptions = 1.5\n[[sinks]]\nkind = []\n",
        &[
            "batchmill.toml:2:8: retry.kind: invalid type: integer `3`, expected a string",
            "batchmill.toml:3:11: retry.options: invalid type: boolean `true`, expected a table",
            "batchmill.toml:5:11: failure.options: invalid type: floating point `1.5`, expected a table",
            "batchmill.toml:7:8: sinks.0.kind: invalid type: sequence, expected a string",
        ],
    );
}

#[test]
fn limits_are_neither_zero_nor_negative_nor_impossible() {
    check(
        "[executor]\nconcurrency = 0\ntimeout = \"0s\"\ndrain_timeout = \"-5s\"\n",
        &[
            "batchmill.toml:2:15: executor.concurrency: concurrency must be from 1 to 1000000, found 0",
            "batchmill.toml:3:11: executor.timeout: a timeout must be longer than 0s",
            "batchmill.toml:4:17: executor.drain_timeout: `-5s` is not a duration; write a number with a unit, for example \
             `200ms`, `30s`, `5m` or `1h 30m`",
        ],
    );
    check(
        "executor.concurrency = -1",
        &["batchmill.toml:1:24: executor.concurrency: concurrency must be from 1 to 1000000, found -1"],
    );
    check(
        "executor.concurrency = \"0%\"",
        &["batchmill.toml:1:24: executor.concurrency: a percentage of the CPUs must be from 1% to 10000%, found 0%"],
    );
    check(
        "retry.options.max_attempts = 99999999999999999999\nretry.options.factor = nan",
        &[
            "batchmill.toml:1:30: retry.options.max_attempts: the number 99999999999999999999 does not fit into 64 bits",
            "batchmill.toml:2:24: retry.options.factor: the number nan is not finite",
        ],
    );
}

#[test]
fn unknown_keys_are_refused_at_every_level_with_the_nearest() {
    check(
        "[excutor]\n[executor]\ntimout = \"5m\"\n[scheduler]\nkindd = \"fifo\"\n[scheduler.options]\nage_stp = \"1s\"\n\
         [retry.options.classes.timeout]\nmax_atempts = 2\n[[sinks]]\nkind = \"jsonl\"\noption = {}\noptions = { path = \"x\", apend = true }\n\
         [sandbox]\nkind = \"adaptive\"\n",
        &[
            "batchmill.toml:1:2: excutor: unknown key `excutor`, did you mean `executor`?",
            "batchmill.toml:3:1: executor.timout: unknown key `timout`, did you mean `timeout`?",
            "batchmill.toml:5:1: scheduler.kindd: unknown key `kindd`, did you mean `kind`?",
            "batchmill.toml:7:1: scheduler.options.age_stp: unknown key `age_stp`, did you mean `age_step`?",
            "batchmill.toml:9:1: retry.options.classes.timeout.max_atempts: unknown key `max_atempts`, did you mean `max_attempts`?",
            "batchmill.toml:12:1: sinks.0.option: unknown key `option`, did you mean `options`?",
            "batchmill.toml:13:25: sinks.0.options.apend: unknown key `apend`, known are: path, overwrite",
            "batchmill.toml:14:2: sandbox: unknown key `sandbox`, known are: executor, scheduler, retry, failure, governor, limits, resources, store, checkpoints, sinks, metrics, plugins, plugin_loading",
        ],
    );
    check(
        "[scheduler]\nkind = \"fifo\"\n\"a.b\" = 1\noptions.age_step = \"1s\"\n",
        &[
            "batchmill.toml:3:1: scheduler.\"a.b\": unknown key `a.b`, known are: kind, options, share_key",
            "batchmill.toml:4:9: scheduler.options.age_step: unknown key `age_step`, no keys are known here",
        ],
    );
}

#[test]
fn unknown_kinds_are_listed_with_the_nearest() {
    check(
        "[scheduler]\nkind = \"prioritty\"\n[retry]\nkind = \"linear\"\n[[sinks]]\nkind = \"json\"\n[metrics]\nkind = \"statsd\"\n",
        &[
            "batchmill.toml:2:8: scheduler.kind: unknown scheduler kind `prioritty`, did you mean `priority`? (known: fair-share, fifo, priority)",
            "batchmill.toml:4:8: retry.kind: unknown retry kind `linear` (known: exponential)",
            "batchmill.toml:6:8: sinks.0.kind: unknown sink kind `json`, did you mean `jsonl`? (known: aggregate, csv, jsonl)",
            "batchmill.toml:8:8: metrics.kind: unknown metrics kind `statsd` (known: prometheus)",
        ],
    );
}

#[test]
fn what_is_missing_is_shown_at_its_table() {
    check(
        "[metrics.options]\nlisten = \"127.0.0.1:0\"\n[[sinks]]\noptions = {}\n[[sinks]]\nkind = \"jsonl\"\n",
        &[
            "batchmill.toml:1:2: metrics: missing key `kind` (known: prometheus)",
            "batchmill.toml:3:1: sinks.0: missing key `kind` (known: aggregate, csv, jsonl)",
            "batchmill.toml:5:1: sinks.1.options: missing field `path`",
        ],
    );
    check(
        "[metrics]\nkind = \"prometheus\"\n",
        &[
            "batchmill.toml:1:1: metrics.options.listen: is needed, or else `textfile`: nobody could read these metrics; write \
           for example `127.0.0.1:9464`",
        ],
    );
}

#[test]
fn options_of_plugins_are_checked_in_place() {
    check(
        "[retry.options]\nmax_attempts = 0\ndelay = \"1h\"\njitter = \"some\"\non = [\"transient\", \"fatal\"]\n",
        &[
            "batchmill.toml:1:1: retry.options.max_delay: `max_delay` (30s) must not be less than `delay` (1h)",
            "batchmill.toml:2:16: retry.options.max_attempts: must be 1 to 1000, the first try counted, found 0",
            "batchmill.toml:4:10: retry.options.jitter: unknown variant `some`, expected one of `none`, `full`, `equal`",
            "batchmill.toml:5:20: retry.options.on.1: unknown variant `fatal`, expected one of `transient`, `recoverable`, \
             `permanent`, `timeout`, `resource`, `crash`",
        ],
    );
}

#[test]
fn a_mistake_inside_a_rule_is_shown_at_its_character() {
    let problems = Case::new()
        .project("[failure.options]\nrules = [\"soon,fail=3\", \"later,fail=3\", \"soon,fail=0%\"]\n")
        .problems();
    let places: Vec<_> = problems.iter().map(|p| p.split(": ").next().unwrap()).collect();
    assert_eq!(places, ["batchmill.toml:2:26", "batchmill.toml:2:52"], "{problems:#?}");
    // With an escape the bytes of the text are not those of the file: then the string as a whole is shown.
    let problems = Case::new().project("[failure.options]\nrules = [\"soon\\u002Cfail=0%\"]\n").problems();
    assert!(problems[0].starts_with("batchmill.toml:2:10: failure.options.rules.0: "), "{problems:#?}");
}

#[test]
fn a_mistake_in_a_rule_that_is_a_table_is_shown_at_its_key() {
    check(
        "[failure.options]\nrules = [\n  \"soon,fail=0,windw=3\",\n  { when = \"now\", fail_rat = \"5%\", of = \"all\", classes = [\"timeout\", \"slow\"] },\n]\n",
        &[
            "batchmill.toml:3:14: failure.options.rules.0: the number of jobs must be at least 1",
            "batchmill.toml:3:16: failure.options.rules.0: unknown word `windw`, did you mean `window`?",
            "batchmill.toml:4:3: failure.options.rules.1: a condition is missing: `fail`, `success`, `done` or `fail_rate`",
            "batchmill.toml:4:19: failure.options.rules.1.fail_rat: unknown key `fail_rat`, did you mean `fail_rate`?",
            "batchmill.toml:4:41: failure.options.rules.1.of: `all` is neither `total` nor `done`",
            "batchmill.toml:4:70: failure.options.rules.1.classes.1: `slow` is not an error class that can be counted (transient, \
             recoverable, permanent, timeout, resource, crash)",
        ],
    );
}

#[test]
fn a_variable_with_one_underscore_too_few_is_told() {
    let case = Case::new()
        .env("BATCHMILL_EXECUTOR_CONCURRENCY", "2")
        .env("BATCHMILL_PLUGIN_LOADING_REQUIRE_PINS", "true")
        .env("BATCHMILL_METRICS_OPTIONS_LISTEN", "127.0.0.1:1")
        .env("BATCHMILL_RESOURCES_KILLLIMIT", "3")
        .env("BATCHMILL_RETRY__OPTIONS_DELAY", "1s");
    assert_eq!(
        case.problems(),
        [
            "BATCHMILL_EXECUTOR_CONCURRENCY (environment): a double underscore stands between two keys: did you mean BATCHMILL_EXECUTOR__CONCURRENCY?",
            "BATCHMILL_METRICS_OPTIONS_LISTEN (environment): a double underscore stands between two keys: did you mean BATCHMILL_METRICS__OPTIONS__LISTEN?",
            "BATCHMILL_PLUGIN_LOADING_REQUIRE_PINS (environment): a double underscore stands between two keys: did you mean BATCHMILL_PLUGIN_LOADING__REQUIRE_PINS?",
            "BATCHMILL_RESOURCES_KILLLIMIT (environment): a double underscore stands between two keys: did you mean BATCHMILL_RESOURCES__KILLLIMIT?",
            "BATCHMILL_RETRY__OPTIONS_DELAY (environment): retry.options_delay: unknown key `options_delay`, known are: kind, options",
        ]
    );
}

#[test]
fn a_variable_that_is_like_no_key_is_somebodys_own() {
    let names = ["BATCHMILL_METRICS_X", "BATCHMILL_STORE_PASSWORD", "BATCHMILL_SINKS_TOKEN", "BATCHMILL_EXECUTOR_"];
    let case = names.into_iter().fold(Case::new(), |case, name| case.env(name, "1"));
    assert_eq!(case.problems(), [""; 0]);
}

#[test]
fn variables_flags_and_sets_name_themselves() {
    let case = Case::new()
        .env("BATCHMILL_FOO__BAR", "1")
        .env("BATCHMILL_EXECUTOR__TIMEOUT", "soon")
        .env("BATCHMILL_EXECUTOR__", "1")
        .env("BATCHMILL_SCHEDULER__OPTIONS", "{ age_step = 1 ")
        .env("BATCHMILL_RETRY__OPTIONS__DELAY", "7")
        .flag(Flag::parsed("--concurrency", "executor.concurrency", "0"))
        .flag(Flag::new("--timeout", "executor.timeout", "5 parsecs"))
        .flag(Flag::new("--halt", "failure.options.rules", vec![serde_json::Value::Null]))
        .set("scheduler.kind=lottery")
        .set("nonsense")
        .set("executor..timeout=5m")
        .set("failure.options.min_sample=many");
    assert_eq!(
        case.problems(),
        [
            "BATCHMILL_EXECUTOR__ (environment): executor.\"\": a double underscore separates two keys; one of them is empty here",
            "BATCHMILL_EXECUTOR__TIMEOUT (environment): executor.timeout: `soon` is not a duration; write a number with a unit, \
             for example `200ms`, `30s`, `5m` or `1h 30m`",
            "BATCHMILL_FOO__BAR (environment): foo: unknown key `foo`, known are: executor, scheduler, retry, failure, governor, limits, resources, store, checkpoints, sinks, metrics, plugins, plugin_loading",
            "BATCHMILL_RETRY__OPTIONS__DELAY (environment): retry.options.delay: a duration needs a unit, for example \"7s\"",
            "BATCHMILL_SCHEDULER__OPTIONS (environment): scheduler.options: unclosed inline table, expected `}`",
            "--concurrency: executor.concurrency: concurrency must be from 1 to 1000000, found 0",
            "--timeout: executor.timeout: `5 parsecs` is not a duration; write a number with a unit, for example `200ms`, \
             `30s`, `5m` or `1h 30m`",
            "--halt: failure.options.rules: null is not a value",
            "--set scheduler.kind=…: scheduler.kind: unknown scheduler kind `lottery` (known: fair-share, fifo, priority)",
            "--set nonsense=…: `nonsense` is not KEY=VALUE, for example executor.concurrency=4",
            "--set executor..timeout=…: `executor..timeout=5m` is not KEY=VALUE, for example executor.concurrency=4",
            "--set failure.options.min_sample=…: failure.options.min_sample: invalid type: string \"many\", expected a whole number from 0 on",
        ]
    );
}

#[test]
fn all_problems_of_all_layers_come_at_once_in_order() {
    let case = Case::new()
        .system("[executor]\ntimeout = \"0s\"\n[scheduler]\nkind = \"fifo\"\noptions.depth = 3\n")
        .user("[executor\n")
        .project("[failure.options]\nmin_smaple = 3\n[executor]\nspeed = 1\n")
        .env("BATCHMILL_SCHEDULER__KIND", "priority")
        .set("executor.timeout=1m");
    assert_eq!(
        case.problems(),
        [
            "system.toml:2:11: executor.timeout: a timeout must be longer than 0s",
            "system.toml:5:9: scheduler.options.depth: unknown key `depth`, no keys are known here",
            "user.toml:1:10: unclosed table, expected `]`",
            "batchmill.toml:2:1: failure.options.min_smaple: unknown key `min_smaple`, did you mean `min_sample`?",
            "batchmill.toml:4:1: executor.speed: unknown key `speed`, known are: concurrency, timeout, queue_timeout, job_timeout, drain_timeout, shutdown_timeout, crash_limit, queue_limit, memory_limit",
        ]
    );
}

#[test]
fn an_unknown_option_is_reported_in_every_layer_that_has_it() {
    let case = Case::new().system("retry.options.dealy = \"1s\"").project("retry.options.dealy = \"2s\"");
    let message = "retry.options.dealy: unknown key `dealy`, did you mean `delay`?";
    assert_eq!(case.problems(), [format!("system.toml:1:15: {message}"), format!("batchmill.toml:1:15: {message}")]);
}

#[test]
fn nesting_without_end_is_an_error_and_not_the_end() {
    let deep =
        |open: &str, between: &str, close: &str| format!("{}{between}{}", open.repeat(100_000), close.repeat(100_000));
    for text in [
        format!("a = {}", deep("[", "1", "]")),
        format!("a = {}", deep("{a = ", "1", "}")),
        format!("{} = 1", deep("a.", "a", "")),
        format!("[{}]", deep("a.", "a", "")),
    ] {
        assert_ne!(Case::new().project(&text).problems(), [""; 0]);
        assert_ne!(Case::new().set(&text).problems(), [""; 0]);
        assert_ne!(Case::new().env("BATCHMILL_A__B", text.trim_start_matches("a = ")).problems(), [""; 0]);
    }
    assert_ne!(Case::new().env(&format!("BATCHMILL_{}", deep("A__", "A", "")), "1").problems(), [""; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_is_given_there_is_an_answer(
        text in r#"([\[\]{}=.,"'#\n a-f0-9\\é]|sinks|scheduler|kind|options|executor|timeout|\[\[|\]\]| = |"fifo"){0,40}"#,
        word in any::<String>(),
    ) {
        for case in [
            Case::new().project(&text),
            Case::new().set(&text),
            Case::new().set(&format!("{text}={word}")),
            Case::new().env("BATCHMILL_EXECUTOR__TIMEOUT", &word),
            Case::new().env("BATCHMILL_SINKS__0", &text),
            Case::new().env(&format!("BATCHMILL_{word}__KEY"), "1"),
            Case::new().flag(Flag::parsed("--flag", word.clone(), &text)),
        ] {
            if let Err(problems) = case.load() {
                prop_assert!(!problems.is_empty());
                prop_assert!(problems.iter().all(|problem| !problem.message.is_empty()));
            }
        }
    }
}

#[test]
fn limits_of_keys_are_checked_one_by_one_and_together() {
    check(
        "[[limits]]\nkey = \".tenant\"\nrate = \"0/m\"\nconcurrency = -1\nburst = 0\n\
         [[limits]]\nkey = 7\nbreaker = { cooldown = \"0s\", probes = 0 }\nrats = \"1/s\"\n\
         [[limits]]\nname = \"a b\"\nunits = \".n\"\nconcurrency = 1\n",
        &[
            "batchmill.toml:3:8: limits.0.rate: a rate of 0 lets nothing start; write at least 1, or a longer time such as \"1/h\"",
            "batchmill.toml:4:15: limits.0.concurrency: invalid value: integer `-1`, expected a whole number from 1 to 4294967295",
            "batchmill.toml:5:9: limits.0.burst: invalid value: integer `0`, expected a whole number from 1 to 4294967295",
            "batchmill.toml:7:7: limits.1.key: invalid type: integer `7`, expected a string",
            "batchmill.toml:8:11: limits.1.breaker: `breaker` needs `failures`: how many in a row open it",
            "batchmill.toml:8:24: limits.1.breaker.cooldown: a timeout must be longer than 0s",
            "batchmill.toml:8:39: limits.1.breaker.probes: invalid value: integer `0`, expected a whole number from 1 to 4294967295",
            "batchmill.toml:9:1: limits.1.rats: unknown key `rats`, did you mean `rate`?",
            "batchmill.toml:11:8: limits.2.name: `a b` is no name: letters, digits, `-`, `_`, and dots between them, at most 100",
            "batchmill.toml:12:9: limits.2.units: `units` says something about a `rate`, and there is none",
        ],
    );
    check(
        "[[limits]]\nkey = \".tenant\"\nconcurrency = 1\n[[limits]]\nkey = \".tenant\"\nrate = \"1/s\"\n\
         [[limits]]\nname = \"tenant\"\nrate = \"nan/s\"\n[[limits]]\nkey = \".id\"\n",
        &[
            "batchmill.toml:4:1: limits.1: is called `tenant` as limits.0 is; give one of them a `name`",
            "batchmill.toml:8:8: limits.2.name: `tenant` is the name of limits.0 too",
            "batchmill.toml:9:8: limits.2.rate: `nan/s` is no rate; write a whole number over a time, such as \"60/m\", \"10/s\" \
             or \"5/10s\"",
            "batchmill.toml:10:1: limits.3: a limit needs at least one of `concurrency`, `rate` and `breaker`",
        ],
    );
    check(
        "[[limits]]\nbreaker = { failures = 1, on = [] }\n[[limits]]\nname = \"x\"\nbreaker = { failures = 1, on = [\"slow\"] }\n",
        &[
            "batchmill.toml:2:32: limits.0.breaker.on: with no class in `on` the `breaker` never opens",
            "batchmill.toml:5:32: limits.1.breaker.on: unknown variant `slow`, expected one of `transient`, `recoverable`, \
             `permanent`, `fatal`, `timeout`, `resource`, `crash`, `cancelled`",
        ],
    );
}

#[test]
fn expressions_are_checked_in_every_layer() {
    let mut case = Case::new()
        .user("scheduler.share_key = \"b!\"")
        .project("[[limits]]\nkey = \"a!\"\nrate = \"1/s\"\nunits = \"u!\"\n");
    let wrong = |text: &str| text.strip_suffix('!').map(|text| format!("`{text}` is wrong")).into_iter().collect();
    case.request.expressions.limit_key = wrong;
    case.request.expressions.units = wrong;
    case.request.expressions.share_key = wrong;
    assert_eq!(
        case.problems(),
        [
            "user.toml:1:23: scheduler.share_key: `b` is wrong",
            "batchmill.toml:2:7: limits.0.key: `a` is wrong",
            "batchmill.toml:4:9: limits.0.units: `u` is wrong",
        ]
    );
}

#[test]
fn limits_of_time_are_refused_with_their_place() {
    let text = "[executor]\ntimeout = \"90%\"\nqueue_timeout = \"0s\"\njob_timeout = 5\n";
    assert_eq!(
        Case::new().project(text).problems(),
        [
            "batchmill.toml:2:11: executor.timeout: a percentage of the median must be from 101% to 100000%, found 90%",
            "batchmill.toml:3:17: executor.queue_timeout: a timeout must be longer than 0s",
            "batchmill.toml:4:15: executor.job_timeout: a duration needs a unit, for example \"5s\"",
        ]
    );
}
