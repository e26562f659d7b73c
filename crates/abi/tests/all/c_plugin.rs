//! A retry policy in C, through the whole way.

use std::time::Duration;

use batchmill_abi::host::{Containment, Fallbacks, OnFault, Plugin};
use batchmill_core::{
    BuildContext, Draw, ErrorClass, Factory, FailedAttempt, Options, PluginKind, RetryDecision, RetryPolicy,
};
use std::sync::Arc;

use crate::compiler::{Bench, load_at};

pub(crate) fn policy(plugin: &Arc<Plugin>, containment: &Containment) -> Box<dyn RetryPolicy> {
    let factories = plugin.factories(PluginKind::Retry, containment);
    let factory: &dyn Factory<dyn RetryPolicy> = &factories[0];
    factory.build(&Options::new(), &BuildContext::default()).unwrap()
}

fn failed(attempt: u32, hint: Option<Duration>) -> FailedAttempt {
    FailedAttempt::new(attempt, ErrorClass::Transient, Duration::ZERO, hint, Draw::from_bits(0))
}

#[test]
fn a_plugin_in_c_decides_and_keeps_the_contract() {
    let bench = Bench::new();
    let plugin = load_at(&bench.steady(&[])).unwrap();
    assert_eq!((&*plugin.header().name, &*plugin.header().version), ("steady", "1.0.0"));
    assert_eq!(plugin.header().kinds, ["retry"]);
    let policy = policy(&plugin, &Containment::default());
    assert_eq!(policy.decide(&failed(1, None)), RetryDecision::After(Duration::from_secs(1)));
    assert_eq!(policy.decide(&failed(3, None)), RetryDecision::GiveUp("three attempts used".into()));
    assert_eq!(policy.budget(), None);
    let report = batchmill_testkit::retry::run(|| self::policy(&plugin, &Containment::default()));
    report.assert_passed();
}

#[test]
fn options_that_a_plugin_refuses_come_back_with_their_place() {
    let bench = Bench::new();
    let plugin = load_at(&bench.steady(&[])).unwrap();
    let factories = plugin.factories(PluginKind::Retry, &Containment::default());
    let factory: &dyn Factory<dyn RetryPolicy> = &factories[0];
    let wrong = Options::from_iter([("x".to_owned(), 1.into())]);
    let problems = factory.validate(&wrong).unwrap_err();
    assert_eq!((problems[0].to_string(), problems[0].at_key), ("x: no keys are known here".to_owned(), true));
    assert!(factory.build(&wrong, &BuildContext::default()).is_err(), "what is refused is not built");
}

#[test]
fn a_table_that_ends_before_the_newest_function_is_an_older_plugin() {
    let bench = Bench::new();
    let plugin = load_at(&bench.steady(&["-DSHORT_TABLE"])).unwrap();
    assert_eq!(policy(&plugin, &Containment::default()).budget(), None);
}

#[test]
fn an_absurd_wait_is_not_waited() {
    let bench = Bench::new();
    let plugin = load_at(&bench.steady(&["-DABSURD"])).unwrap();
    let RetryDecision::GiveUp(reason) = policy(&plugin, &Containment::default()).decide(&failed(1, None)) else {
        panic!("584 years are not waited");
    };
    assert_eq!(reason, "plugin steady (retry steady) answered with an absurd wait");
}

#[derive(Debug)]
struct Never;
impl RetryPolicy for Never {
    fn decide(&self, _: &FailedAttempt) -> RetryDecision {
        RetryDecision::GiveUp("never".into())
    }
}

struct NeverFactory;
impl Factory<dyn RetryPolicy> for NeverFactory {
    fn name(&self) -> &str {
        "never"
    }
    fn about(&self) -> &str {
        "never retries"
    }
    fn schema(&self) -> serde_json::Value {
        serde_json::json!({})
    }
    fn validate(&self, _: &Options) -> Result<(), Vec<batchmill_core::Problem>> {
        Ok(())
    }
    fn build(&self, _: &Options, _: &BuildContext) -> Result<Box<dyn RetryPolicy>, batchmill_core::BuildError> {
        Ok(Box::new(Never))
    }
}

#[test]
fn a_plugin_that_fails_is_replaced_as_config_says() {
    let bench = Bench::new();
    let plugin = load_at(&bench.steady(&["-DFAILS"])).unwrap();
    let with = |on_fault| {
        let fallbacks = Fallbacks { retry: Some(Arc::new(NeverFactory)), ..Fallbacks::default() };
        policy(&plugin, &Containment { on_fault, fallbacks, ..Containment::default() })
    };
    let decide = |policy: Box<dyn RetryPolicy>| {
        let decided = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| policy.decide(&failed(1, None))));
        decided.map_err(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_default())
    };
    let fault = "plugin steady (retry steady): `decide` failed: no idea";
    assert_eq!(decide(with(OnFault::Fail)), Err(fault.to_owned()));
    assert_eq!(decide(with(OnFault::Recreate { max: 2 })), Err(fault.to_owned()), "after two fresh instances");
    assert_eq!(decide(with(OnFault::Fallback)), Ok(RetryDecision::GiveUp("never".into())));
}
