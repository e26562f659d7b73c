//! `fixed` against the governor kit, and its config.

use batchmill_core::{BuildContext, Governor, Options};
use batchmill_governor_fixed::register;
use batchmill_plugin::Registry;
use batchmill_testkit::governor;
use serde_json::json;

fn built() -> Box<dyn Governor> {
    let mut registry = Registry::default();
    register(&mut registry);
    let factory = registry.get::<dyn Governor>("fixed").unwrap();
    factory.build(&Options::new(), &BuildContext::default()).unwrap()
}

#[test]
fn fixed_keeps_the_contract() {
    governor::run(built).assert_passed();
}

#[test]
fn any_option_is_refused() {
    let mut registry = Registry::default();
    register(&mut registry);
    let factory = registry.get::<dyn Governor>("fixed").unwrap();
    let options = json!({"max": 3}).as_object().cloned().unwrap();
    let problems = factory.validate(&options).unwrap_err();
    assert_eq!(problems[0].to_string(), "max: unknown key `max`, no keys are known here");
}
