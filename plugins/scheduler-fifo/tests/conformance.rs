//! `fifo` against the scheduler kit, its config, and a plain sorted list.

use batchmill_core::{BuildContext, ClassId, MonoTime, Options, Pick, Scheduler, Token};
use batchmill_plugin::Registry;
use batchmill_scheduler_fifo::{Fifo, register};
use batchmill_testkit::{QueuedJob, scheduler};
use proptest::prelude::*;
use serde_json::{Value, json};

fn options(json: Value) -> Options {
    match json {
        Value::Object(table) => table,
        other => panic!("options are an object, not {other}"),
    }
}

fn built() -> Box<dyn Scheduler> {
    let mut registry = Registry::default();
    register(&mut registry);
    let factory = registry.get::<dyn Scheduler>("fifo").unwrap();
    factory.build(&options(json!({})), &BuildContext::default()).unwrap()
}

#[test]
fn fifo_keeps_the_contract() {
    let report = scheduler::run(built);
    report.assert_passed();
    assert_eq!(report.not_applicable(), [""; 0], "{report}");
}

#[test]
fn any_option_is_refused() {
    let mut registry = Registry::default();
    register(&mut registry);
    let factory = registry.get::<dyn Scheduler>("fifo").unwrap();
    let problems = factory.validate(&options(json!({"age_step": "1s"}))).unwrap_err();
    assert_eq!(problems[0].to_string(), "age_step: unknown key `age_step`, no keys are known here");
}

#[test]
fn explain_says_how_long_a_job_has_waited() {
    let mut fifo = Fifo::new();
    fifo.push(QueuedJob::new(1).queued(0).entry());
    let position = fifo.explain(Token(1), MonoTime::from_nanos(3_000_000_000)).unwrap();
    assert_eq!((position.ahead, &*position.reason), (Some(0), "first in, first out, queued 3.0s ago"));
}

proptest! {
    #[test]
    fn jobs_leave_by_the_time_of_queueing_then_in_order_of_arrival(
        calls in proptest::collection::vec((0_u8..4, 0_u64..30), 0..400),
    ) {
        let (mut fifo, mut model, mut next) = (Fifo::new(), Vec::<(u64, u64)>::new(), 0);
        for (call, number) in calls {
            match call {
                0 | 1 => {
                    next += 1;
                    fifo.push(QueuedJob::new(next).queued(number).entry());
                    let place = model.partition_point(|(queued, _)| *queued <= number);
                    model.insert(place, (number, next));
                }
                2 => {
                    let mut picked = Vec::new();
                    fifo.pop_many(MonoTime::NEVER, 1, &mut picked);
                    let expected = if model.is_empty() { None } else { Some(Token(model.remove(0).1)) };
                    prop_assert_eq!(picked.first().copied(), expected);
                }
                _ => {
                    let token = next.saturating_sub(number);
                    let place = model.iter().position(|(_, t)| *t == token);
                    prop_assert_eq!(fifo.remove(Token(token)), place.is_some());
                    place.map(|place| model.remove(place));
                }
            }
            prop_assert_eq!(fifo.len(), model.len());
        }
    }

    #[test]
    fn what_is_held_waits_and_all_else_keeps_its_order(
        calls in proptest::collection::vec((0_u8..7, 0_u64..40, 0_u8..4), 0..400),
    ) {
        let (mut scheduler, mut model, mut held, mut next) = (Fifo::new(), Vec::new(), [false; 8], 0_u64);
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
                    model.push(((queued, 0, next), next, class));
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
