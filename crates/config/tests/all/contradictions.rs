//! Values that are right by themselves and contradict each other: each told with both keys, at the place of one that was given.

use crate::Case;

/// The project's file, what is set over it, and what the user sees.
const ROWS: [(&str, &[&str], &str); 20] = [
    (
        "[executor]\ndrain_timeout = \"25s\"\n",
        &[],
        "batchmill.toml:2:17: executor.drain_timeout: `executor.drain_timeout` of 25s does not fit into `executor.shutdown_timeout` \
         of 28s, whose last 8s are for stopping, killing and closing: make that at least 33s, or the drain shorter",
    ),
    (
        "",
        &["executor.shutdown_timeout=10s"],
        "--set executor.shutdown_timeout=…: executor.shutdown_timeout: `executor.drain_timeout` of 20s does not fit into \
         `executor.shutdown_timeout` of 10s, whose last 8s are for stopping, killing and closing: make that at least 28s, or the \
         drain shorter",
    ),
    (
        "[executor]\ntimeout = \"10m\"\njob_timeout = \"1m\"\n",
        &[],
        "batchmill.toml:3:15: executor.job_timeout: 1m for all attempts of a job together is less than `executor.timeout` allows \
         one of them, 10m (batchmill.toml:2:11)",
    ),
    (
        "[resources]\nstop_at = \"60%\"\n",
        &[],
        "batchmill.toml:2:11: resources.stop_at: `resources.stop_at`, 60%, is not above `resources.shrink_at`, which is 80%",
    ),
    (
        "[resources]\nshrink_at = \"92%\"\n",
        &[],
        "batchmill.toml:2:13: resources.shrink_at: `resources.stop_at`, 90%, is not above `resources.shrink_at`, which is 92%",
    ),
    (
        "[retry.options]\ndelay = \"1h\"\n",
        &[],
        "batchmill.toml:1:1: retry.options.max_delay: `max_delay` (30s) must not be less than `delay` (1h)",
    ),
    (
        "[retry.options]\nclasses.permanent = { max_attempts = 2 }\n",
        &[],
        "batchmill.toml:2:21: retry.options.classes.permanent: `permanent` is not retried: list it in `on`",
    ),
    (
        "[governor]\nkind = \"adaptive\"\noptions = { min = 9, max = 3 }\n",
        &[],
        "batchmill.toml:3:19: governor.options.min: `min` (9) is above `max` (3)",
    ),
    (
        "[scheduler]\nkind = \"fair-share\"\noptions = { slot_memory = \"1MiB\", charge = \"cost\" }\n",
        &[],
        "batchmill.toml:3:27: scheduler.options.slot_memory: `slot_memory` says something of `charge = \"memory\"`, and `charge` \
         is another",
    ),
    (
        "[failure.options]\nrules = [\"never\", \"soon,fail=3\"]\n",
        &[],
        "batchmill.toml:2:10: failure.options.rules.0: `never` stands alone: remove it, or the other rules",
    ),
    (
        "[failure.options]\nrules = [\"soon,fail=3\", \"soon,fail=3\"]\n",
        &[],
        "batchmill.toml:2:25: failure.options.rules.1: says the same as rules.0: remove one of them",
    ),
    (
        "[failure.options]\nrules = [\"now,fail=10\", \"soon,fail=3\"]\n",
        &[],
        "batchmill.toml:2:10: failure.options.rules.0: never acts: by then `soon,fail=3`, rules.1, has stopped the batch; remove \
         one of them",
    ),
    (
        // Of a window the total is not known.
        "[failure.options]\nrules = [\"soon,fail=10%,window=50\"]\n",
        &[],
        "batchmill.toml:2:25: failure.options.rules.0: `fail=10%` is of all jobs, and a window shows only some: add `of=done`",
    ),
    (
        "[failure.options]\nrules = [\"soon,fail_rate=10%,window=5\"]\nmin_sample = 20\n",
        &[],
        "batchmill.toml:2:10: failure.options.rules.0: a window of 5 ends never holds the sample of 20 that `min_sample` asks of \
         percentages: give the rule a `min_sample` of its own, at most 5",
    ),
    (
        "[[limits]]\nburst = 3\nconcurrency = 1\n",
        &[],
        "batchmill.toml:2:9: limits.0.burst: `burst` says something about a `rate`, and there is none",
    ),
    (
        "[[limits]]\nunits = \".input.tokens\"\nconcurrency = 1\n",
        &[],
        "batchmill.toml:2:9: limits.0.units: `units` says something about a `rate`, and there is none",
    ),
    (
        "[[limits]]\nconcurrency = 1\nbreaker = { cooldown = \"9s\" }\n",
        &[],
        "batchmill.toml:3:11: limits.0.breaker: `breaker` needs `failures`: how many in a row open it",
    ),
    (
        "[[limits]]\nkey = \".tenant\"\nconcurrency = 1\n[[limits]]\nkey = \".tenant\"\nrate = \"1/s\"\n",
        &[],
        "batchmill.toml:4:1: limits.1: is called `tenant` as limits.0 is; give one of them a `name`",
    ),
    (
        "[metrics]\nkind = \"prometheus\"\noptions = { textfile = \"m.prom\", linger = \"1s\" }\n",
        &[],
        "batchmill.toml:3:43: metrics.options.linger: means nothing without `listen`",
    ),
    (
        "[metrics]\nkind = \"prometheus\"\noptions = { listen = \"127.0.0.1:0\", textfile_interval = \"1s\" }\n",
        &[],
        "batchmill.toml:3:57: metrics.options.textfile_interval: means nothing without `textfile`",
    ),
];

#[test]
fn each_contradiction_names_both_keys_and_the_place_of_one_that_was_given() {
    let told =
        ROWS.map(|(text, sets, _)| sets.iter().fold(Case::new().project(text), |case, set| case.set(set)).problems());
    assert_eq!(told, ROWS.map(|(_, _, expected)| vec![expected.to_owned()]));
}

/// A weight, a rate or a key that is none, each at its own place.
#[test]
fn numbers_that_are_none_are_told_at_the_very_key() {
    let weights =
        |of: &str| format!("scheduler.kind = \"fair-share\"\nscheduler.options.weights = {{ good = 1, bad = {of} }}\n");
    let range = "scheduler.options.weights.bad: a weight must be 0.000001 to 1000000, found";
    let zero = "scheduler.options.weights.bad: a weight must be above 0 (0.000001 to 1000000), found 0; to keep a tenant from running, \
                do not submit its jobs";
    for (weight, told) in [
        ("nan", "scheduler.options.weights.bad: the number nan is not finite".to_owned()),
        ("-inf", "scheduler.options.weights.bad: the number -inf is not finite".to_owned()),
        ("-1", format!("{range} -1")),
        ("-0.5", format!("{range} -0.5")),
        ("1e7", format!("{range} 10000000")),
        ("0", zero.to_owned()),
        ("\"3\"", "scheduler.options.weights.bad: invalid type: string \"3\", expected a number".to_owned()),
    ] {
        assert_eq!(
            Case::new().project(weights(weight)).problems(),
            [format!("batchmill.toml:2:47: {told}")],
            "{weight}"
        );
    }
    let case = Case::new().set("scheduler.kind=fair-share").set("scheduler.options.weights.bad=nan");
    let told = "--set scheduler.options.weights.bad=…: scheduler.options.weights.bad: the number nan is not finite";
    assert_eq!(case.problems(), [told]);
    let case = Case::new()
        .env("BATCHMILL_SCHEDULER__KIND", "fair-share")
        .env("BATCHMILL_SCHEDULER__OPTIONS__WEIGHTS__BAD", "-1");
    assert_eq!(case.problems(), [format!("BATCHMILL_SCHEDULER__OPTIONS__WEIGHTS__BAD (environment): {range} -1")]);
    for (rate, told) in [
        ("0/m", "a rate of 0 lets nothing start; write at least 1, or a longer time such as \"1/h\""),
        ("1/0s", "the time of a rate must be from 1ms to 30d, found `0s`"),
        ("-1/m", "`-1/m` is no rate; write a whole number over a time, such as \"60/m\", \"10/s\" or \"5/10s\""),
        ("nan/s", "`nan/s` is no rate; write a whole number over a time, such as \"60/m\", \"10/s\" or \"5/10s\""),
    ] {
        let case = Case::new().project(format!("[[limits]]\nrate = \"{rate}\"\n"));
        assert_eq!(case.problems(), [format!("batchmill.toml:2:8: limits.0.rate: {told}")], "{rate}");
    }
}

#[test]
fn what_is_a_default_contradicts_nothing_and_what_fits_is_good() {
    Case::new().project("[executor]\njob_timeout = \"1m\"\n").good();
    Case::new().project("[executor]\ntimeout = \"300%\"\njob_timeout = \"1m\"\n").good();
    Case::new().project("[executor]\ndrain_timeout = \"25s\"\n").set("executor.shutdown_timeout=33s").good();
    let longest = format!("{}h", u64::MAX / 3600 / 1_000_000_000);
    assert_eq!(Case::new().set(&format!("executor.drain_timeout={longest}")).problems().len(), 1);
}

#[test]
fn a_value_that_somebody_wrote_is_given_even_if_it_is_that_of_the_defaults() {
    let key = ["resources", "reserve_after"];
    assert_eq!(Case::new().good().origins.given(&key), None);
    let same = Case::new().project("[resources]\nreserve_after = \"5m\"\n").good();
    assert_eq!(same.config, Case::new().good().config);
    assert!(same.origins.given(&key).unwrap().to_string().ends_with("batchmill.toml:2:17"));
}
