//! What config may say.

use batchmill_core::Scheduler;
use batchmill_plugin::Registry;
use batchmill_scheduler_fair_share::{FairShare, Options, register};
use serde_json::{Value, json};

use crate::table;

fn problems(options: Value) -> Vec<String> {
    let mut registry = Registry::default();
    register(&mut registry);
    let factory = registry.get::<dyn Scheduler>("fair-share").unwrap();
    factory.validate(&table(options)).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[test]
fn the_defaults_are_equal_weights_by_time() {
    let defaults = json!({"weights": {}, "default_weight": 1.0, "charge": "time", "slot_memory": null,
                           "age_step": "1m", "half_life": "0s"});
    assert_eq!(serde_json::to_value(Options::default()).unwrap(), defaults);
}

#[test]
fn good_options_are_taken() {
    for good in [
        json!({"weights": {"research": 3, "research/alice": 2.5, "a b/ü": 1e-6, "x": 1e6}}),
        json!({"charge": "memory", "slot_memory": "1GiB"}),
        json!({"charge": "memory"}),
        json!({"default_weight": 10, "charge": "cost", "age_step": "0s", "half_life": "7d"}),
    ] {
        assert_eq!(problems(good.clone()), [""; 0], "{good}");
    }
}

#[test]
fn wrong_options_are_refused_all_at_once_with_their_place() {
    for (wrong, expected) in [
        (json!({"wieghts": {}}), &["wieghts: unknown key `wieghts`, did you mean `weights`?"][..]),
        (json!({"weights": {"a": "3"}}), &["weights.a: invalid type: string \"3\", expected a number"]),
        (json!({"half_life": "400d"}), &["half_life: a half-life must be 1s to 365d, or `0s` for none"]),
        (json!({"half_life": "1ms"}), &["half_life: a half-life must be 1s to 365d, or `0s` for none"]),
        (json!({"charge": "swap"}), &["charge: unknown variant `swap`, expected one of `time`, `memory`, `cost`"]),
        (
            json!({"slot_memory": "1MiB"}),
            &["slot_memory: `slot_memory` says something of `charge = \"memory\"`, and `charge` is another"],
        ),
        (
            json!({"charge": "memory", "slot_memory": 0}),
            &["slot_memory: must be above 0: a slot that holds no memory is still one that others wait for"],
        ),
        (
            json!({"age_step": "1"}),
            &[
                "age_step: `1` is not a duration; write a number with a unit, for example `200ms`, `30s`, `5m` or `1h 30m`",
            ],
        ),
        (
            json!({"weights": {"a": 0, "b": -1, "c": 2e6, "d/": 1, "": 1}, "default_weight": 1e-7}),
            &[
                "weights.: a share is a path such as `org/team`, without empty parts",
                "weights.a: a weight must be above 0 (0.000001 to 1000000), found 0; \
             to keep a tenant from running, do not submit its jobs",
                "weights.b: a weight must be 0.000001 to 1000000, found -1",
                "weights.c: a weight must be 0.000001 to 1000000, found 2000000",
                "weights.d/: a share is a path such as `org/team`, without empty parts",
                "default_weight: a weight must be 0.000001 to 1000000, found 0.0000001",
            ],
        ),
    ] {
        assert_eq!(problems(wrong.clone()), expected, "{wrong}");
    }
}

#[test]
fn weights_that_only_a_program_can_give_are_refused_too() {
    for weight in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0] {
        let problems = FairShare::new(&Options::default().weight("a", weight)).unwrap_err();
        assert!(problems[0].to_string().starts_with("weights.a: a weight must be"), "{problems:?}");
        assert!(FairShare::new(&Options::default().default_weight(weight)).is_err());
    }
}
