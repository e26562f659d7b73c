//! Which layer wins, and what it inherits.

use batchmill_config::{Flag, load};
use batchmill_core::{BuildError, MetricsExporter, Options};
use batchmill_plugin::TypedFactory;
use serde_json::json;

use crate::{Case, registry};

/// Adds one layer that sets `executor.concurrency` to its own number.
fn with_layer(case: Case, number: usize) -> Case {
    let text = format!("executor.concurrency = {number}");
    match number {
        1 => case.system(&text),
        2 => case.user(&text),
        3 => case.project(&text),
        4 => case.env("BATCHMILL_EXECUTOR__CONCURRENCY", "4"),
        5 => case.flag(Flag::parsed("--concurrency", "executor.concurrency", "5")),
        _ => case.set("executor.concurrency=6"),
    }
}

#[test]
fn the_strongest_layer_wins_and_is_named() {
    let origins = [
        "default",
        "system.toml:1:24",
        "user.toml:1:24",
        "batchmill.toml:1:24",
        "BATCHMILL_EXECUTOR__CONCURRENCY (environment)",
        "--concurrency",
        "--set executor.concurrency=…",
    ];
    for present in 0_usize..1 << 6 {
        let layers = (1..=6).filter(|number| present & 1 << (number - 1) != 0);
        let strongest = layers.clone().max().unwrap_or(0);
        let case = layers.fold(Case::new(), with_layer);
        let loaded = case.good();
        let expected = if strongest == 0 { "10".to_owned() } else { strongest.to_string() };
        assert_eq!(loaded.config.executor.concurrency.to_string(), expected);
        let origin = loaded.origin("executor.concurrency").unwrap().to_string();
        assert_eq!(origin.rsplit('/').next().unwrap(), origins[strongest]);
    }
}

#[test]
fn layers_give_only_what_they_change() {
    let loaded = Case::new()
        .system("retry.options = { delay = \"1s\", classes = { timeout = { max_attempts = 2 } } }")
        .project("[retry.options]\nmax_attempts = 5\nclasses.timeout.delay = \"3s\"\n")
        .env("BATCHMILL_RETRY__OPTIONS__JITTER", "none")
        .good();
    assert_eq!(
        serde_json::Value::from(loaded.config.retry.options),
        json!({"classes": {"timeout": {"delay": "3s", "max_attempts": 2}}, "delay": "1s", "jitter": "none", "max_attempts": 5})
    );
}

#[test]
fn a_list_is_replaced_as_a_whole() {
    let file = "[[sinks]]\nkind = \"jsonl\"\noptions.path = \"a\"\n[[sinks]]\nkind = \"jsonl\"\noptions.path = \"b\"\n";
    let sinks =
        |case: Case| case.good().config.sinks.into_iter().map(|s| s.options["path"].clone()).collect::<Vec<_>>();
    assert_eq!(sinks(Case::new().system(file)), ["a", "b"]);
    assert_eq!(sinks(Case::new().system(file).set("sinks=[{kind=\"jsonl\", options={path=\"c\"}}]")), ["c"]);
    assert_eq!(sinks(Case::new().system(file).set("sinks=[]")), [""; 0]);
}

#[test]
fn options_belong_to_a_kind() {
    let options = |case: Case| serde_json::Value::from(case.good().config.scheduler.options);
    let file = "[scheduler]\nkind = \"priority\"\noptions.age_step = \"1s\"\n";
    // The same kind again inherits, another does not, and going back starts anew.
    assert_eq!(options(Case::new().system(file).set("scheduler.kind=priority")), json!({"age_step": "1s"}));
    assert_eq!(options(Case::new().system(file).set("scheduler.kind=fifo")), json!({}));
    let back = Case::new().system(file).project("scheduler.kind = \"fifo\"").set("scheduler.kind=priority");
    assert_eq!(options(back), json!({}));
    // Options without a kind are for the kind below them, the built-in one included.
    assert_eq!(options(Case::new().project("scheduler.options.age_step = \"2s\"")), json!({"age_step": "2s"}));
    // The order among variables, or among several --set, means nothing.
    let together = Case::new().system("scheduler.kind = \"fifo\"");
    let together = together.set("scheduler.options.age_step=3s").set("scheduler.kind=priority");
    assert_eq!(options(together), json!({"age_step": "3s"}));
}

#[test]
fn options_that_a_change_of_kind_drops_are_still_checked() {
    let case = Case::new().system("scheduler.options.age_stp = \"1s\"").project("scheduler.kind = \"fifo\"");
    assert_eq!(
        case.problems(),
        ["system.toml:1:19: scheduler.options.age_stp: unknown key `age_stp`, did you mean `age_step`?"]
    );
}

#[test]
fn what_an_overridden_kind_would_still_need_is_nobodys_problem() {
    let mut registry = registry();
    registry.register::<dyn MetricsExporter>(TypedFactory::new("other", "for this test", |_: Options, _| {
        Err(BuildError::environment("never built"))
    }));
    // `prometheus` alone lacks an address; that matters only while it is the kind that counts.
    let case = Case::new().system("[metrics]\nkind = \"prometheus\"\n");
    assert_eq!(load(&case.request, &registry).unwrap_err().len(), 1);
    let case = case.set("metrics.kind=other");
    assert_eq!(load(&case.request, &registry).unwrap().config.metrics.unwrap().kind, "other");
}

#[test]
fn metrics_are_off_unless_some_layer_gives_them() {
    assert_eq!(Case::new().good().config.metrics, None);
    let loaded = Case::new()
        .project("metrics.options.textfile = \"m.prom\"")
        .env("BATCHMILL_METRICS__KIND", "prometheus")
        .good();
    let metrics = loaded.config.metrics.unwrap();
    assert_eq!(
        (metrics.kind.as_str(), serde_json::Value::from(metrics.options)),
        ("prometheus", json!({"textfile": "m.prom"}))
    );
}

#[test]
fn variables_without_a_double_underscore_are_not_configuration() {
    let case = Case::new()
        .env("BATCHMILL_JOB_ID", "a")
        .env("BATCHMILL_LOG_FORMAT", "json")
        .env("BATCHMILL_NONSENSE", "1")
        .env("OTHER__KEY", "1")
        .env("XBATCHMILL_EXECUTOR__TIMEOUT", "1");
    assert_eq!(case.good(), Case::new().good());
}

#[test]
fn values_of_variables_and_sets_are_toml_or_bare_words() {
    let loaded = Case::new()
        .env("BATCHMILL_EXECUTOR__CONCURRENCY", "75%")
        .env("BATCHMILL_FAILURE__OPTIONS__RULES", "[\"soon,fail=3\"]")
        .env("BATCHMILL_SCHEDULER__OPTIONS", "{ age_step = \"1s\" }")
        .set("retry.options.factor=1.5")
        .set(" executor.timeout = 1h 30m ")
        .good();
    let config = serde_json::to_value(&loaded.config).unwrap();
    assert_eq!(
        config["executor"],
        json!({"concurrency": "75%", "timeout": "90m", "drain_timeout": "20s", "shutdown_timeout": "28s", "crash_limit": 3})
    );
    assert_eq!(config["failure"]["options"], json!({"rules": ["soon,fail=3"]}));
    assert_eq!(config["scheduler"]["options"], json!({"age_step": "1s"}));
    assert_eq!(config["retry"]["options"], json!({"factor": 1.5}));
}
