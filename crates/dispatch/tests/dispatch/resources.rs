//! Memory and CPUs: gates that close, jobs that do not fit, attempts that are ended.

use std::{sync::Arc, time::Duration};

use batchmill_core::{AttemptFailure, ErrorClass, NodeError, NodeFailure, Outcome, Request, RetryRef, Scheduler};
use batchmill_dispatch::{
    BatchKey, BatchSetup, Effect, Event, Ladder, Needs, NewJob, Past, Pressure, Setback, Settings,
};
use batchmill_scheduler_fifo::Fifo;

use crate::{
    policies::{Capped, Scripted},
    rig::{Rig, failed_node, job, jobs, settings, setup},
    schedulers::Plain,
};

/// `memory` bytes for requests, below a limit that is watched; one second of patience.
fn watched(limit: u32, memory: u64) -> Settings {
    let mut settings = settings(limit);
    settings.resources.memory = Some(memory * 10 / 9 + 1);
    settings.resources.ladder = Some(Ladder::default());
    settings.resources.reserve_after = Duration::from_secs(1);
    settings.resources.kill_limit = 2;
    settings
}

/// A batch of processes that ask for so much memory: at first, after it ran out once, and so on.
fn processes(memory: &[u64]) -> BatchSetup {
    let mut setup = setup();
    setup.needs = Needs::new(memory.iter().map(|memory| Request { memory: *memory, cpu_milli: 0 }).collect(), true);
    setup
}

/// One that cannot hold, and one that can.
fn schedulers() -> [Box<dyn Scheduler>; 2] {
    [Box::new(Plain::default()), Box::new(Fifo::new())]
}

fn out_of_memory() -> Outcome {
    let error = NodeError::out_of_memory("killed by the kernel");
    let failed = NodeFailure::at_node("a".into(), error, RetryRef(0), false);
    Outcome::Failed(Box::new(AttemptFailure::new(failed)))
}

/// The reason without the place in the queue.
fn reason(rig: &Rig, index: u32) -> String {
    let told = rig.explain(index);
    let end = [";", " (its class", " (first"].iter().filter_map(|mark| told.find(mark)).min();
    told[..end.unwrap_or(told.len())].to_owned()
}

#[test]
fn nothing_is_on_unless_something_is_set() {
    let mut rig = Rig::new(4);
    assert_eq!(rig.open(processes(&[1 << 60]), jobs(3)), "start 0, start 1, start 2");
    assert_eq!(rig.look(99), "", "nobody decides by it");
}

#[test]
fn as_many_start_as_fit_whether_the_scheduler_can_hold_or_not() {
    for scheduler in schedulers() {
        let mut rig = Rig::under(watched(10, 1000), scheduler);
        assert_eq!(rig.open(processes(&[300]), jobs(5)), "start 0, start 1, start 2, wake at 1000");
        assert_eq!(reason(&rig, 4), "pending: it needs 300 B of memory, and 100 B of 1000 B are left");
        assert_eq!(rig.dispatch.totals().queued, 2);
        assert_eq!(rig.ok(1), "1 succeeded, start 3", "in their order");
        assert_eq!(rig.ok(0), "0 succeeded, start 4");
    }
}

#[test]
fn what_the_host_holds_itself_is_not_there_for_jobs() {
    let mut rig = Rig::with(watched(10, 1000));
    let mut pressure = Pressure::default();
    pressure.own = 250;
    rig.step(Event::PressureSampled { pressure });
    assert_eq!(rig.open(processes(&[300]), jobs(5)), "start 0, start 1, wake at 1000");
}

#[test]
fn a_job_that_is_larger_than_all_there_is_runs_alone() {
    for scheduler in schedulers() {
        let mut rig = Rig::under(watched(10, 1000), scheduler);
        assert_eq!(rig.open(processes(&[5000]), jobs(2)), "start 0, wake at 1000");
        assert_eq!(rig.ok(0), "0 succeeded, start 1");
    }
}

#[test]
fn cpus_are_shared_out_like_memory() {
    let mut settings = settings(10);
    settings.resources.cpu_milli = Some(2000);
    let mut rig = Rig::with(settings);
    let mut setup = setup();
    setup.needs = Needs::new(vec![Request { memory: 0, cpu_milli: 750 }], false);
    assert_eq!(rig.open(setup, jobs(4)), "start 0, start 1, wake at 300000");
    assert_eq!(reason(&rig, 3), "pending: it needs 0.75 CPUs, and 0.5 of 2 are left");
}

#[test]
fn one_attempt_a_look_learns_and_then_as_many_run_as_were_seen_to_fit() {
    for scheduler in schedulers() {
        let mut rig = Rig::under(watched(10, 1000), scheduler);
        assert_eq!(rig.open(processes(&[]), jobs(9)), "start 0");
        let unknown = "pending: how much memory its flow needs is not known yet: one more attempt starts a look";
        assert_eq!(reason(&rig, 5), unknown);
        assert_eq!((rig.look(30), rig.look(60)), ("start 1".to_owned(), "start 2".to_owned()));
        assert_eq!(rig.ok_with(0, 400), "0 succeeded, wake at 1000", "two of them run, which is all that fits");
        assert_eq!(rig.ok_with(1, 300), "1 succeeded, start 3");
        assert_eq!(rig.ok_with(2, 300), "2 succeeded, start 4");
        assert_eq!(reason(&rig, 8), "pending: it needs 400 B of memory, and 200 B of 1000 B are left");
    }
}

#[test]
fn an_attempt_that_goes_on_without_a_node_has_taught_what_its_flow_needs() {
    for scheduler in schedulers() {
        let mut rig = Rig::under(watched(10, 1000), scheduler);
        assert_eq!(rig.open(processes(&[]), jobs(9)), "start 0");
        let failure = AttemptFailure::new(failed_node("a", ErrorClass::Permanent, 0, true));
        let went_on = rig.end_with(0, Outcome::Failed(Box::new(failure)), 300);
        assert_eq!(went_on, "start 0 without a, start 1, start 2, wake at 1000", "nobody waits for the next look");
    }
}

#[test]
fn a_job_that_waits_too_long_gets_what_it_needs_kept() {
    for scheduler in schedulers() {
        let mut rig = Rig::under(watched(10, 1000), scheduler);
        assert_eq!(rig.open(processes(&[400]), jobs(2)), "start 0, start 1");
        let large = rig.open(processes(&[700]), jobs(1));
        assert_eq!(large, "wake at 1000");
        let small = rig.open(processes(&[100]), jobs(9));
        assert_eq!(small, "start 2/0, start 2/1", "it is passed over");
        let end = |rig: &mut Rig, index| rig.end_in(2, index, Outcome::Succeeded);
        assert_eq!(end(&mut rig, 0), "2/0 succeeded, start 2/2");
        assert_eq!(rig.at(1000), "", "now 700 are kept for it");
        assert_eq!(end(&mut rig, 1), "2/1 succeeded", "a slot idles");
        let told = rig.explain_in(2, 5);
        assert!(told.starts_with("pending: what it needs is kept for job number 1 of its batch"), "{told}");
        assert_eq!(rig.ok(0), "0 succeeded");
        assert_eq!(end(&mut rig, 2), "2/2 succeeded");
        assert_eq!(rig.ok(1), "1 succeeded, start 1/0, start 2/3, start 2/4, start 2/5, wake at 2000");
    }
}

#[test]
fn nothing_is_kept_for_a_job_that_is_cancelled_or_whose_batch_is_paused() {
    for scheduler in schedulers() {
        let mut rig = Rig::under(watched(10, 1000), scheduler);
        rig.open(processes(&[500]), jobs(1));
        rig.open(processes(&[600]), jobs(1));
        rig.at(1000);
        assert_eq!(rig.open(processes(&[100]), jobs(1)), "wake at 2000", "it is kept");
        let cancelled = rig.step(Event::CancelRequested { batch: BatchKey(1), jobs: Some(vec![0]) });
        assert_eq!(cancelled, "1/0 cancelled (cancelled), start 2/0");

        rig.open(processes(&[700]), jobs(1));
        rig.at(3000);
        assert_eq!(rig.open(processes(&[100]), jobs(1)), "wake at 4000");
        let paused = rig.step(Event::PauseRequested { batch: BatchKey(3), paused: true });
        assert_eq!(paused, "pausing by request, start 4/0");
    }
}

#[test]
fn full_memory_lets_one_run_and_nothing_start_until_it_falls() {
    let mut rig = Rig::with(watched(10, 1000));
    rig.open(processes(&[1]), jobs(20));
    assert_eq!(rig.look(91), "");
    assert_eq!(rig.ok(0), "0 succeeded");
    assert_eq!(reason(&rig, 15), "pending: memory is filled (91 B of 100 B): nothing starts while something runs");
    assert_eq!(rig.look(86), "", "not before it is five points below");
    assert_eq!(rig.look(76), "", "nine run, which is all that may");
    assert_eq!(rig.ok(1), "1 succeeded, start 10");
    assert_eq!(rig.look(10), "start 11");
}

#[test]
fn the_newest_process_is_ended_and_runs_again_on_a_counter_of_its_own() {
    let mut rig = Rig::with(watched(3, 1000));
    rig.open(processes(&[10]), jobs(4));
    assert_eq!(rig.look(97), "stop 2");
    assert_eq!(rig.look(98), "", "one at a time");
    assert_eq!(rig.explain(2), "running: the attempt was told to end: memory runs short, number 1 in slot 2, for 0ms");
    assert_eq!(rig.end(2, Outcome::Stopped), "again 2");
    let told = rig.explain(2);
    assert!(told.ends_with("; it was ended once because memory ran short"), "{told}");
    assert_eq!(rig.look(99), "", "what it held may not be free yet");
    assert_eq!(rig.look(99), "stop 1");
    assert_eq!(rig.end(1, Outcome::Succeeded), "1 succeeded", "an end that had happened counts");
    assert_eq!((rig.look(20), rig.look(20)), ("start 2, start 3".to_owned(), String::new()));
    assert_eq!(rig.ok(2), "2 succeeded");
    assert_eq!(rig.records[1].attempts, 1, "it counts as no attempt");
}

#[test]
fn a_job_that_is_ended_too_often_fails() {
    let mut rig = Rig::with(watched(1, 1000));
    rig.open(processes(&[10]), jobs(1));
    for _ in 0..2 {
        assert_eq!(rig.look(97), "stop 0");
        assert_eq!(rig.end(0, Outcome::Stopped), "again 0");
        assert_eq!(rig.look(20), "start 0");
    }
    assert_eq!(rig.look(97), "stop 0");
    assert_eq!(rig.end(0, Outcome::Stopped), "0 failed (memory_pressure)");
    let failure = rig.records[0].failure.as_ref().unwrap();
    assert_eq!((failure.error.class, failure.tries.len(), rig.records[0].attempts), (ErrorClass::Resource, 3, 0));
}

#[test]
fn only_what_has_a_process_and_may_be_repeated_is_ended() {
    let mut rig = Rig::with(watched(9, 1000));
    rig.open(setup(), jobs(1));
    let once = vec![Arc::new(Capped::new(1, Duration::ZERO)) as _];
    let mut setup = BatchSetup::new(Box::new(Scripted::default()), once);
    setup.needs = Needs::new(Vec::new(), true);
    rig.open(setup, jobs(1));
    assert_eq!(rig.look(99), "");
}

#[test]
fn a_job_that_ran_out_of_memory_asks_for_more_and_keeps_its_place() {
    for scheduler in schedulers() {
        let mut rig = Rig::under(watched(1, 1000), scheduler);
        assert_eq!(rig.open(processes(&[300, 600, 900]), jobs(2)), "start 0");
        rig.at(50);
        rig.open(processes(&[300]), jobs(1));
        assert_eq!(rig.end(0, out_of_memory()), "retry 0 at 150, start 1, wake at 150");
        assert_eq!(rig.at(150), "");
        assert_eq!(rig.ok(1), "1 succeeded, start 0 attempt 2", "before one that came later");
        assert_eq!(rig.end(0, out_of_memory()), "retry 0 at 350, start 1/0, wake at 350");
        rig.end_in(1, 0, Outcome::Succeeded);
        assert_eq!(memory_at(&mut rig, 350), Some(900));
    }
}

/// How much memory the attempt is told to have that starts at this moment.
fn memory_at(rig: &mut Rig, millis: u64) -> Option<u64> {
    let mut effects = Vec::new();
    rig.now = crate::rig::ms(millis);
    rig.dispatch.step(rig.now, Event::TimerFired, &mut effects);
    let starts = effects.iter().find_map(|effect| if let Effect::Start(start) = effect { Some(start) } else { None });
    starts.and_then(|start| start.memory).map(std::num::NonZeroU64::get)
}

#[test]
fn a_later_host_knows_how_much_a_job_asked_for_and_how_often_it_was_ended() {
    let mut rig = Rig::with(watched(1, 1000));
    let mut setback = Setback::default();
    (setback.kills, setback.memory_level) = (2, 1);
    let earlier: NewJob = job(|job| job.past = Past::Interrupted(Box::new(setback)));
    rig.open(processes(&[300, 600]), vec![earlier]);
    assert_eq!(rig.look(97), "stop 0");
    assert_eq!(rig.end(0, Outcome::Stopped), "0 failed (memory_pressure)");
}

#[test]
fn a_batch_that_has_ended_holds_nothing() {
    for scheduler in schedulers() {
        let mut rig = Rig::under(watched(10, 1000), scheduler);
        rig.open(processes(&[600]), jobs(4));
        let closed = rig.cancel(None);
        assert!(closed.contains("stop 0"), "{closed}");
        rig.end(0, Outcome::Stopped);
        rig.answer();
        assert_eq!(rig.dispatch.totals().batches, 0);
        assert_eq!(rig.open(processes(&[600]), jobs(2)), "start 1/0, wake at 1000", "the same demand, anew");
    }
}

#[test]
fn load_and_swap_make_attempts_fewer_but_never_none() {
    let mut settings = settings(8);
    (settings.resources.max_load, settings.resources.cpus) = (Some(1.0), 4);
    settings.resources.max_swap = Some(1000.0);
    let mut rig = Rig::with(settings);
    rig.open(setup(), jobs(30));
    let look = |rig: &mut Rig, load: f64, swapping: f64| {
        let mut pressure = Pressure::default();
        (pressure.load, pressure.swapping) = (Some(load), Some(swapping));
        rig.step(Event::PressureSampled { pressure })
    };
    assert_eq!(look(&mut rig, 2.0, 0.0), "");
    assert_eq!((rig.ok(0), rig.ok(1)), ("0 succeeded".to_owned(), "1 succeeded, start 8".to_owned()));
    assert_eq!(reason(&rig, 20), "pending: the CPUs are busy: their load is 200%, and may be 100%");
    assert_eq!(look(&mut rig, 0.5, 5000.0), "");
    assert_eq!(reason(&rig, 20), "pending: memory is swapped back and forth: 4.8 KiB a second, and may be 1000 B");
    assert_eq!(look(&mut rig, 0.9, 0.0), "start 9");
}
