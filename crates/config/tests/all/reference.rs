//! `config/default.toml` is the reference: complete, documented, and equal to the defaults of the code. The examples work.

use std::{fs, path::Path};

use batchmill_config::{DEFAULTS, HostConfig, schema};
use serde_json::Value;

use crate::{Case, registry};

/// The reference with every setting that is commented out in force.
fn in_force() -> String {
    let line = |line: &'static str| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line);
    DEFAULTS.lines().map(line).map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_reference_equals_the_defaults_of_the_code() {
    let from_text: HostConfig = toml::from_str(DEFAULTS).unwrap();
    assert_eq!(from_text, HostConfig::default());
    assert_eq!(Case::new().good().config, HostConfig::default());
}

#[test]
fn settings_left_to_plugins_are_shown_with_their_real_defaults() {
    let config = Case::new().project(in_force()).good().config;
    assert_eq!(read::<batchmill_scheduler_priority::Options>(config.scheduler.options), Default::default());
    assert_eq!(read::<batchmill_failure_halt::Options>(config.failure.options), Default::default());
    assert_eq!(read::<batchmill_retry_exponential::Options>(config.retry.options), Default::default());
}

fn read<O: serde::de::DeserializeOwned>(options: batchmill_core::Options) -> O {
    serde_json::from_value(options.into()).unwrap()
}

#[test]
fn every_key_of_the_reference_has_a_comment_above_it() {
    let mut above = "";
    for line in DEFAULTS.lines() {
        let setting = line.strip_prefix('#').unwrap_or(line);
        if !setting.is_empty() && !setting.starts_with(' ') {
            assert!(above.starts_with("# "), "nothing above `{line}` says what it is");
        }
        above = line;
    }
}

#[test]
fn the_reference_has_every_key_of_the_host_and_of_its_plugins() {
    let schema = schema(&registry());
    let text = in_force();
    let reference: Value = toml::from_str(&text).unwrap();
    for (section, described) in schema["properties"].as_object().unwrap() {
        let (described, given) = match described.get("items") {
            Some(item) => (item, &reference[section][0]),
            None => (described, &reference[section]),
        };
        let target = described.get("$ref").and_then(Value::as_str).map(|reference| &reference[1..]);
        let described = target.map_or(described, |pointer| schema.pointer(pointer).unwrap());
        for (key, described) in described["properties"].as_object().unwrap() {
            assert!(
                given.get(key).is_some() || described["type"] == "object",
                "{section}.{key} is not in the reference"
            );
        }
        for branch in described.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            if branch["if"]["properties"]["kind"]["const"] != given["kind"] {
                continue;
            }
            // A plugin without options describes none.
            let options = &branch["then"]["properties"]["options"]["properties"];
            for key in options.as_object().into_iter().flat_map(|options| options.keys()) {
                assert!(given["options"].get(key).is_some(), "{section}.options.{key} is not in the reference");
            }
        }
    }
}

#[test]
fn every_kind_is_named_in_the_reference() {
    for plugin in registry().list() {
        let named = |line: &str| line.starts_with("# The plugin's name: ") && line.contains(&plugin.name);
        assert!(DEFAULTS.lines().any(named), "{} is not in the reference", plugin.name);
    }
}

#[test]
fn every_example_is_valid_and_says_what_it_is() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/examples");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# "), "{}", path.display());
        let config = Case::new().project(&text).good().config;
        assert_ne!(config, HostConfig::default(), "{} changes nothing", path.display());
        seen += 1;
    }
    assert!(seen >= 6, "the examples are gone");
}
