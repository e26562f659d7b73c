//! The schema accepts what the loader accepts, and refuses the mistakes that editors should underline.

use batchmill_config::{DEFAULTS, schema};
use jsonschema::Validator;
use serde_json::Value;

use crate::{Case, registry};

fn validator() -> Validator {
    jsonschema::validator_for(&schema(&registry())).unwrap()
}

#[track_caller]
fn check(text: &str, valid: bool) {
    let value: Value = toml::from_str(text).unwrap();
    assert_eq!(validator().is_valid(&value), valid, "schema: {text}");
    assert_eq!(Case::new().project(text).problems().is_empty(), valid, "loader: {text}");
}

#[test]
fn the_schema_is_one_and_agrees_with_the_loader() {
    assert!(jsonschema::meta::is_valid(&schema(&registry())));
    check(DEFAULTS, true);
    check("", true);
    check("[executor]\nconcurrency = \"75%\"\n[retry.options]\nmax_attempts = 5", true);
    check("[retry]\nkind = \"exponential\"\noptions.classes.timeout.max_attempts = 2", true);
    check("[metrics]\nkind = \"prometheus\"\noptions.listen = \"127.0.0.1:9464\"", true);
    for bad in [
        "speed = 1",
        "[executor]\nspeed = 1",
        "[executor]\nconcurrency = 0",
        "[executor]\nconcurrency = \"0%\"",
        "[executor]\nconcurrency = \"ten\"",
        "[executor]\ntimeout = 5",
        "[scheduler]\nkind = \"prio\"",
        "[scheduler]\nkind = \"fifo\"\noptions.age_step = \"1s\"",
        "[retry]\nkind = \"exponential\"\noptions.classes.timeout.max_atempts = 2",
        "[retry]\nkind = \"exponential\"\noptions.jitter = \"some\"",
        "[[sinks]]\noptions.path = \"x\"",
        "[[sinks]]\nkind = \"jsonl\"\noptions = {}",
    ] {
        check(bad, false);
    }
}

#[test]
fn every_key_has_a_description() {
    let schema = schema(&registry());
    for (section, described) in schema["properties"].as_object().unwrap() {
        assert!(described["description"].is_string(), "{section}");
    }
    for (key, described) in schema["$defs"]["Executor"]["properties"].as_object().unwrap() {
        assert!(described["description"].is_string(), "executor.{key}");
    }
}
