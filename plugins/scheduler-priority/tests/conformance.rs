//! `priority` against the scheduler kit, its config, and a plain sorted list.

use std::time::Duration;

use batchmill_core::{BuildContext, ClassId, MonoTime, Pick, Scheduler, Token};
use batchmill_plugin::Registry;
use batchmill_scheduler_priority::{Options, PriorityScheduler, register};
use batchmill_testkit::{QueuedJob, options as table, scheduler};
use proptest::prelude::*;
use serde_json::{Value, json};

fn built(options: Value) -> Box<dyn Scheduler> {
    let mut registry = Registry::default();
    register(&mut registry);
    let factory = registry.get::<dyn Scheduler>("priority").unwrap();
    factory.build(&table(options), &BuildContext::default()).unwrap()
}

fn with_step(nanos: u64) -> PriorityScheduler {
    PriorityScheduler::new(&Options::default().age_step(Duration::from_nanos(nanos)))
}

#[test]
fn priority_keeps_the_contract() {
    // The jobs of the kit are queued nanoseconds apart: these steps make age decide never, now and then, and always.
    for step in ["60s", "20ns", "1ns", "0s", "3650d"] {
        let report = scheduler::run(|| built(json!({"age_step": step})));
        report.assert_passed();
        assert_eq!(report.not_applicable(), [""; 0], "{report}");
    }
}

#[test]
fn the_step_is_a_minute_unless_said_otherwise() {
    assert_eq!(serde_json::to_value(Options::default()).unwrap(), json!({"age_step": "1m"}));
}

#[test]
fn wrong_options_are_refused_with_their_place() {
    let mut registry = Registry::default();
    register(&mut registry);
    let factory = registry.get::<dyn Scheduler>("priority").unwrap();
    for (wrong, message) in [
        (json!({"age_stpe": "1s"}), "age_stpe: unknown key `age_stpe`, did you mean `age_step`?"),
        (json!({"age_step": 0}), "age_step: a duration needs a unit, for example \"0s\""),
        (json!({"age_step": "-1s"}), "age_step: `-1s` is not a duration"),
    ] {
        let problems = factory.validate(&table(wrong)).unwrap_err();
        assert!(problems[0].to_string().starts_with(message), "{problems:?}");
    }
}

#[test]
fn without_ageing_only_the_priority_counts() {
    let mut scheduler = with_step(0);
    scheduler.push(QueuedJob::new(1).queued(0).entry());
    scheduler.push(QueuedJob::new(2).queued(u64::MAX).priority(1).entry());
    assert_eq!(scheduler.pop(MonoTime::NEVER), Pick::Run(Token(2)));
}

#[test]
fn explain_tells_priority_and_age() {
    let mut scheduler = with_step(1);
    scheduler.push(QueuedJob::new(1).queued(0).entry());
    scheduler.push(QueuedJob::new(2).queued(8).priority(9).entry());
    let position = scheduler.explain(Token(1), MonoTime::from_nanos(3_000_000_000)).unwrap();
    assert_eq!((position.ahead, &*position.reason), (Some(1), "priority 0, queued 3.0s ago"));
}

/// What a sorted list orders by: `enqueued − priority × step`, then `enqueued`, then the order of arrival.
fn rank(step: u64, priority: u8, queued: u64, arrival: u64) -> (i128, i128, u64) {
    let (priority, queued) = (i128::from(priority), i128::from(queued));
    match step {
        0 => (-priority, queued, arrival),
        _ => (queued - priority * i128::from(step), queued, arrival),
    }
}

proptest! {
    #[test]
    fn jobs_leave_as_from_a_sorted_list(
        step in prop_oneof![Just(0_u64), 1_u64..20, Just(u64::MAX / 300)],
        calls in proptest::collection::vec((0_u8..5, 0_u64..200, prop_oneof![0_u8..4, any::<u8>()]), 0..300),
    ) {
        let (mut scheduler, mut model, mut next) = (with_step(step), Vec::new(), 0);
        for (call, number, priority) in calls {
            match call {
                0..3 => {
                    next += 1;
                    scheduler.push(QueuedJob::new(next).queued(number).priority(priority).entry());
                    model.push((rank(step, priority, number, next), next));
                    model.sort_unstable();
                }
                3 => {
                    let expected = if model.is_empty() { Pick::Empty } else { Pick::Run(Token(model.remove(0).1)) };
                    prop_assert_eq!(scheduler.pop(MonoTime::NEVER), expected);
                }
                _ => {
                    let token = next.saturating_sub(number % 40);
                    let place = model.iter().position(|(_, t)| *t == token);
                    prop_assert_eq!(scheduler.remove(Token(token)), place.is_some());
                    place.map(|place| model.remove(place));
                }
            }
            prop_assert_eq!(scheduler.len(), model.len());
        }
    }

    #[test]
    fn a_job_is_overtaken_only_by_one_queued_less_than_the_difference_of_priority_times_the_step_later(
        step in 1_u64..50,
        jobs in proptest::collection::vec((any::<u8>(), 0_u64..10_000), 2..80),
    ) {
        let mut scheduler = with_step(step);
        for (token, (priority, queued)) in (0..).zip(&jobs) {
            scheduler.push(QueuedJob::new(token).queued(*queued).priority(*priority).entry());
        }
        let mut order = Vec::new();
        scheduler.pop_many(MonoTime::NEVER, jobs.len(), &mut order);
        prop_assert_eq!(order.len(), jobs.len());
        let places: Vec<(u8, u64)> = order.iter().map(|token| jobs[usize::try_from(token.0).unwrap()]).collect();
        for (place, (priority, queued)) in places.iter().enumerate() {
            // Everybody who is ahead and was queued later has overtaken.
            for (overtaking, later) in places[..place].iter().filter(|(_, later)| later > queued) {
                let difference = u64::from(overtaking.saturating_sub(*priority));
                prop_assert!(later - queued < difference * step, "{later} overtook {queued}");
            }
        }
    }

    #[test]
    fn what_is_held_waits_and_all_else_keeps_its_order(
        step in prop_oneof![Just(0_u64), 1_u64..20],
        calls in proptest::collection::vec((0_u8..7, 0_u64..40, 0_u8..4), 0..400),
    ) {
        let (mut scheduler, mut model, mut held, mut next) = (with_step(step), Vec::new(), [false; 8], 0_u64);
        let mut ever_held = false;
        for (call, queued, priority) in calls {
            // Two classes a priority.
            let class = usize::from(priority) * 2 + usize::try_from(queued % 2).unwrap();
            let class_id = ClassId(u32::try_from(class).unwrap());
            match call {
                0..3 => {
                    next += 1;
                    // Those of a held class that come later are not told apart from those that are set aside later.
                    let queued = queued * 1000 + if ever_held { next } else { 0 };
                    let mut job = QueuedJob::new(next).queued(queued).priority(priority);
                    job.class = class_id;
                    scheduler.push(job.entry());
                    model.push((rank(step, priority, queued, next), next, class));
                    model.sort_unstable();
                }
                3 => {
                    let place = model.iter().position(|(_, _, class)| !held[*class]);
                    let expected = place.map_or(Pick::Empty, |place| Pick::Run(Token(model.remove(place).1)));
                    prop_assert_eq!(scheduler.pop(MonoTime::NEVER), expected);
                }
                4 => {
                    let token = next.saturating_sub(queued);
                    let place = model.iter().position(|(_, t, _)| *t == token);
                    let told = scheduler.explain(Token(token), MonoTime::NEVER);
                    prop_assert_eq!(told.is_some(), place.is_some());
                    let said = told.is_some_and(|told| told.reason.starts_with("its class is held, "));
                    prop_assert_eq!(said, place.is_some_and(|place| held[model[place].2]));
                    prop_assert_eq!(scheduler.remove(Token(token)), place.is_some());
                    place.map(|place| model.remove(place));
                }
                _ => {
                    held[class] = call == 5;
                    ever_held |= held[class];
                    if held[class] { scheduler.hold(class_id) } else { scheduler.release(class_id) }
                }
            }
            prop_assert_eq!(scheduler.len(), model.len());
        }
        (0..8).for_each(|class| scheduler.release(ClassId(class)));
        let mut order = Vec::new();
        scheduler.pop_many(MonoTime::NEVER, 400, &mut order);
        prop_assert_eq!(order, model.into_iter().map(|(_, token, _)| Token(token)).collect::<Vec<_>>());
    }
}
