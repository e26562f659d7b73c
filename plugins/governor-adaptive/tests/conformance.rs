//! `adaptive` against the governor kit, and its config.

use batchmill_core::{BuildContext, Governor, LoadSample, MonoTime, Options};
use batchmill_governor_adaptive::{Adaptive, Options as AdaptiveOptions, register};
use batchmill_plugin::Registry;
use batchmill_testkit::governor;
use serde_json::{Value, json};
use std::time::Duration;

fn options(json: Value) -> Options {
    match json {
        Value::Object(table) => table,
        other => panic!("options are an object, not {other}"),
    }
}

fn built(json: &Value) -> Box<dyn Governor> {
    let mut registry = Registry::default();
    register(&mut registry);
    let factory = registry.get::<dyn Governor>("adaptive").unwrap();
    factory.build(&options(json.clone()), &BuildContext::default()).unwrap()
}

#[test]
fn adaptive_keeps_the_contract_by_either_algorithm() {
    for json in [json!({}), json!({"algorithm": "aimd"}), json!({"min": 5, "max": 40, "tolerance": 1.5})] {
        let report = governor::run(|| built(&json));
        report.assert_passed();
        assert_eq!(report.not_applicable(), [""; 0], "{report}");
    }
}

#[test]
fn the_range_and_the_window_are_those_of_the_options() {
    let governor = built(&json!({"min": 2, "max": 7, "window": "250ms"}));
    assert_eq!((governor.range(), governor.window()), (2..=7, Some(Duration::from_millis(250))));
}

#[test]
fn contradictions_and_numbers_out_of_range_are_refused_all_at_once() {
    let mut registry = Registry::default();
    register(&mut registry);
    let factory = registry.get::<dyn Governor>("adaptive").unwrap();
    let problems = |json| {
        let found = factory.validate(&options(json)).unwrap_err();
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(problems(json!({"min": 9, "max": 3})), ["min: `min` (9) is above `max` (3)"]);
    assert_eq!(
        problems(json!({"min": 0, "window": "1ms", "min_sample": 0, "tolerance": 1.0, "error_tolerance": -0.5})),
        [
            "min: must be at least 1, found 0",
            "window: must be from 100ms to 1h, found 1ms",
            "min_sample: must be at least 1, found 0",
            "tolerance: must be above 1 and at most 10, found 1",
            "error_tolerance: must be from 0 to 1, found -0.5",
        ]
    );
    assert_eq!(
        problems(json!({"algorithm": "vegas"})),
        ["algorithm: unknown variant `vegas`, expected `gradient` or `aimd`"]
    );
    assert_eq!(problems(json!({"maxx": 3})), ["maxx: unknown key `maxx`, did you mean `max`?"]);
}

/// A host that does what it is told, one window after the other.
struct Host {
    governor: Adaptive,
    limit: u32,
    window: u64,
    reasons: Vec<String>,
}

impl Host {
    fn new(limit: u32) -> Self {
        let governor = Adaptive::new(AdaptiveOptions::default()).unwrap();
        Self { governor, limit, window: 0, reasons: Vec::new() }
    }

    /// One window in which the whole limit is used, and the limit after it.
    fn window(&mut self, change: impl FnOnce(&mut LoadSample)) -> u32 {
        let mut sample = LoadSample::default();
        self.window += 1;
        sample.at = MonoTime::ZERO + Duration::from_secs(self.window);
        sample.interval = Duration::from_secs(1);
        (sample.in_flight, sample.queued) = (self.limit, 1000);
        (sample.finished, sample.latency_ratio) = (1000, Some(1.0));
        change(&mut sample);
        if let Some(answer) = self.governor.adjust(&sample, self.limit) {
            self.limit = answer.limit;
            self.reasons.push(answer.reason.into_owned());
        }
        self.limit
    }

    fn windows(&mut self, count: u32, change: impl Fn(&mut LoadSample)) -> u32 {
        for _ in 0..count {
            self.window(&change);
        }
        self.limit
    }
}

#[test]
fn it_learns_before_it_grows_and_growth_quickens() {
    let mut host = Host::new(10);
    assert_eq!([(); 5].map(|()| host.window(|_| {})), [10, 10, 17, 29, 49], "at first nothing is known of too much");
    assert_eq!(host.window(|sample| sample.latency_ratio = Some(1.5)), 33);
    assert_eq!([(); 7].map(|()| host.window(|_| {})), [36, 40, 44, 48, 53, 58, 70], "small below what was too much");
}

#[test]
fn twice_the_latency_halves_the_limit() {
    let mut host = Host::new(100);
    host.windows(2, |_| {});
    assert_eq!(host.window(|sample| sample.latency_ratio = Some(2.0)), 50);
    assert_eq!(host.reasons, ["latency"]);
}

#[test]
fn windows_with_few_ends_are_one() {
    let mut host = Host::new(10);
    assert_eq!(host.windows(4, |sample| sample.finished = 2), 10);
    assert!(host.reasons.is_empty());
    host.windows(40, |sample| sample.finished = 2);
    assert!(host.limit > 10, "ten ends are a window, whatever the time");
}

#[test]
fn answers_429_and_strain_take_from_the_limit_and_other_failures_do_not() {
    let failing = |kind: &'static str| {
        let mut host = Host::new(100);
        host.windows(2, |_| {});
        host.window(|sample| {
            sample.failed = 300;
            match kind {
                "throttled" => (sample.strained, sample.throttled) = (300, 300),
                "errors" => sample.strained = 300,
                _ => {}
            }
        });
        (host.limit, host.reasons)
    };
    assert_eq!(failing("throttled"), (85, vec!["throttled".to_owned()]));
    assert_eq!(failing("errors"), (70, vec!["errors".to_owned()]));
    assert_eq!(failing("permanent"), (170, vec!["growth".to_owned()]));
}

#[test]
fn work_that_becomes_longer_for_another_reason_is_the_new_normal() {
    let mut host = Host::new(100);
    host.windows(2, |_| {});
    // Whatever the limit: nodes take three times as long from now on.
    let limit = host.windows(12, |sample| sample.latency_ratio = Some(3.0));
    assert!(host.reasons.contains(&"relearned".to_owned()), "{:?}", host.reasons);
    assert!(limit >= 100, "{limit}: it does not go down to nothing for what it cannot change");
}

#[test]
fn a_start_that_is_far_too_high_is_found_by_a_window_of_less() {
    let mut host = Host::new(100);
    // A service that bears ten: latency is in proportion to what is above.
    for _ in 0..120 {
        let ratio = f64::from(host.limit.max(10)) / 100.0;
        host.window(|sample| sample.latency_ratio = Some(ratio));
    }
    assert!(host.limit <= 25, "{}", host.limit);
    assert!(host.reasons.contains(&"probe".to_owned()));
}

#[test]
fn memory_stops_growth_and_then_takes_from_the_limit() {
    let mut host = Host::new(100);
    assert_eq!(host.windows(10, |sample| sample.memory_ratio = Some(0.75)), 100);
    assert_eq!(host.window(|sample| sample.memory_ratio = Some(0.85)), 90);
    assert_eq!(host.reasons, ["memory"]);
}
