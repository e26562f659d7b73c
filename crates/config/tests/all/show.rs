//! The effective configuration as text.

use batchmill_config::Flag;
use proptest::prelude::*;
use serde_json::json;

use crate::Case;

fn layered() -> Case {
    Case::new()
        .system("[[sinks]]\nkind = \"jsonl\"\noptions.path = \"out.jsonl\"\n")
        .project("[executor]\ntimeout = \"1m\"\n\n[retry.options]\nmax_attempts = 5\nclasses.timeout.delay = \"1s\"\n")
        .env("BATCHMILL_RETRY__OPTIONS__CLASSES__TIMEOUT__MAX_ATTEMPTS", "2")
        .flag(Flag::parsed("--halt", "failure.options.rules", "[\"soon,fail=3\"]"))
        .set("scheduler.kind=fifo")
}

#[test]
fn limits_and_the_key_of_shares_are_shown() {
    let text = "scheduler.share_key = \".tenant\"\n[[limits]]\nkey = \".id\"\nrate = \"60/m\"\nbreaker.failures = 3\n";
    let case = Case::new().project(text);
    let shown = case.good().show(true).replace(&format!("{}/", case.folder.path().display()), "");
    for expected in [
        "[scheduler]\nshare_key = \".tenant\"  # from batchmill.toml:1\nkind = \"priority\"  # from default\n",
        "[[limits]]\nkey = \".id\"  # from batchmill.toml:3\nrate = \"60/m\"  # from batchmill.toml:4\nbreaker = { failures = 3, \
         cooldown = \"30s\", probes = 1, on = [\"transient\", \"recoverable\", \"timeout\", \"resource\", \"crash\"] }  # from \
         batchmill.toml:5\n",
    ] {
        assert!(shown.contains(expected), "{shown}");
    }
    let again = Case::new().project(case.good().show(false)).good().config;
    assert_eq!(again, case.good().config);
}

#[test]
fn every_value_is_shown_with_its_origin() {
    let case = layered();
    let shown = case.good().show(true).replace(&format!("{}/", case.folder.path().display()), "");
    let expected = r#"limits = []  # from default

[executor]
concurrency = 10  # from default
timeout = "1m"  # from batchmill.toml:2
drain_timeout = "20s"  # from default
shutdown_timeout = "28s"  # from default
crash_limit = 3  # from default

[scheduler]
kind = "fifo"  # from --set

[retry]
kind = "exponential"  # from default

[retry.options]
classes.timeout.delay = "1s"  # from batchmill.toml:6
classes.timeout.max_attempts = 2  # from BATCHMILL_RETRY__OPTIONS__CLASSES__TIMEOUT__MAX_ATTEMPTS (environment)
max_attempts = 5  # from batchmill.toml:5

[failure]
kind = "halt"  # from default

[failure.options]
rules = ["soon,fail=3"]  # from --halt

[governor]
kind = "fixed"  # from default

[store]
kind = "sqlite"  # from default
durability = "fsync"  # from default

[[sinks]]
kind = "jsonl"  # from system.toml:2

[sinks.options]
path = "out.jsonl"  # from system.toml:3
"#;
    assert_eq!(shown, expected);
}

#[test]
fn without_origins_it_is_plain_toml() {
    let expected = "limits = []\nsinks = []\n\n[executor]\nconcurrency = 10\ntimeout = \"5m\"\ndrain_timeout = \"20s\"\nshutdown_timeout = \"28s\"\ncrash_limit = 3\n\n[scheduler]\nkind = \
                    \"priority\"\n\n[retry]\nkind = \"exponential\"\n\n[failure]\nkind = \"halt\"\n\n[governor]\nkind = \"fixed\"\n\n[store]\nkind = \"sqlite\"\ndurability = \"fsync\"\n";
    assert_eq!(Case::new().good().show(false), expected);
}

#[test]
fn programs_get_json() {
    let loaded = Case::new().set("executor.concurrency=4").good();
    assert_eq!(loaded.to_json(false)["executor"]["concurrency"], 4);
    let with_origin = loaded.to_json(true);
    assert_eq!(with_origin["config"], loaded.to_json(false));
    assert_eq!(with_origin["origins"]["executor.concurrency"], "--set executor.concurrency=…");
    assert_eq!(with_origin["origins"]["sinks"], "default");
    assert_eq!(with_origin["origins"]["scheduler.kind"], "default");
}

#[test]
fn the_origin_of_a_key() {
    let case = layered();
    let loaded = case.good();
    let origin = |key: &str| loaded.origin(key).map(|o| o.to_string().rsplit('/').next().unwrap().to_owned());
    assert_eq!(origin("sinks.0.kind").as_deref(), Some("system.toml:2:8"));
    assert_eq!(origin("failure.options.rules.0").as_deref(), Some("--halt"));
    assert_eq!(origin("executor.drain_timeout").as_deref(), Some("default"));
    for absent in ["metrics", "scheduler.options.age_step", "sinks.1.kind", "nonsense", "a..b"] {
        assert_eq!(origin(absent), None, "{absent}");
    }
}

#[test]
fn text_that_toml_wants_escaped_reads_back() {
    let path = "a\"b\\c\n\t\u{7f}\u{1}é";
    let sink = json!([{"kind": "jsonl", "options": {"path": path}}]);
    let shown = Case::new().flag(Flag::new("--sink", "sinks", sink)).good().show(true);
    assert!(shown.contains(r#"path = "a\"b\\c\n\t\u007F\u0001é"  # from --sink"#), "{shown}");
    assert_eq!(Case::new().project(&shown).good().config.sinks[0].options["path"], path);
}

/// Configurations that are valid, as JSON.
fn configs() -> impl Strategy<Value = serde_json::Value> {
    let concurrency = prop_oneof![
        (1..=1_000_000_u32).prop_map(|n| json!(n)),
        Just(json!("auto")),
        (1..=10_000_u32).prop_map(|n| json!(format!("{n}%"))),
    ];
    let scheduler = prop_oneof![
        Just(json!({"kind": "fifo"})),
        (0..100_000_u64).prop_map(|ms| json!({"kind": "priority", "options": {"age_step": format!("{ms}ms")}})),
    ];
    let retry = (1..=1000_u32, 1.0..100.0_f64).prop_map(|(attempts, factor)| {
        json!({"options": {"max_attempts": attempts, "factor": factor, "classes": {"timeout": {"max_attempts": attempts}}}})
    });
    // Any text is a path: quotes, line breaks, control characters, what is not ASCII.
    let sinks =
        prop::collection::vec(any::<String>().prop_filter("a path", |path| !path.is_empty()), 0..3).prop_map(|paths| {
            paths.iter().map(|path| json!({"kind": "jsonl", "options": {"path": path}})).collect::<Vec<_>>()
        });
    (concurrency, 1..1_000_000_u64, scheduler, retry, sinks).prop_map(|(concurrency, ms, scheduler, retry, sinks)| {
        json!({
            "executor": {"concurrency": concurrency, "timeout": format!("{ms}ms")},
            "scheduler": scheduler,
            "retry": retry,
            "sinks": sinks,
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_is_shown_reads_back_as_the_same(config in configs(), with_origin in any::<bool>()) {
        let sections = config.as_object().unwrap().iter();
        let case = sections.fold(Case::new(), |case, (section, value)| {
            case.flag(Flag::new("--test", section.as_str(), value.clone()))
        });
        let loaded = case.good();
        let shown = loaded.show(with_origin);
        prop_assert_eq!(&Case::new().project(&shown).good().config, &loaded.config, "{}", shown);
    }
}
