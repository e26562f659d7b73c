//! Batches that are played: what dispatch decides shows in the numbers.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use batchmill_core::{ErrorClass, FailureStrategy, MonoTime, Pause, Priority, RetryPolicy, Scheduler, Tenant, Verdict};
use batchmill_dispatch::{BatchSetup, NewJob, Settings};
use batchmill_failure_halt::{Halt, Options as HaltOptions, Rule};
use batchmill_retry_exponential::Exponential;
use batchmill_scheduler_fair_share::{FairShare, Options};
use batchmill_scheduler_fifo::Fifo;
use batchmill_scheduler_priority::PriorityScheduler;
use batchmill_simulate::{Failures, Length, Model, Played, Simulation, play};

const SECOND: Duration = Duration::from_secs(1);

fn halt(rules: &[&str]) -> Box<dyn FailureStrategy> {
    let rules: Vec<Rule> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    Box::new(Halt::new(&HaltOptions::with_rules(&rules).min_sample(1)).unwrap())
}

fn retry() -> Arc<dyn RetryPolicy> {
    Arc::new(Exponential::default())
}

fn simulation(scheduler: impl Scheduler + 'static, slots: u32) -> Simulation {
    let setup = BatchSetup::new(halt(&[]), vec![retry()]);
    Simulation::new(Box::new(scheduler), Settings::new(NonZeroU32::new(slots).unwrap()), setup)
}

fn fixed(length: Duration) -> Model {
    Model::new(Length::Fixed(length), 1)
}

fn job(tenant: &str) -> NewJob {
    let mut job = NewJob::default();
    job.tenant = Tenant::new(tenant).unwrap();
    job
}

fn seconds(wait: Duration) -> f64 {
    wait.as_secs_f64()
}

#[track_caller]
fn is_whole(played: &Played) {
    played.counts.check().unwrap();
    let used: Duration = played.shares.iter().map(|row| row.used).sum();
    assert_eq!(used, played.used);
    let over_time: Duration = played.windows.used.iter().flatten().sum();
    assert_eq!(over_time, played.used, "every moment of a slot is in a window");
    assert!(played.utilisation() <= 1.0 + 1e-9);
}

#[test]
fn slots_are_filled_and_waits_are_counted() {
    let played = play(simulation(Fifo::new(), 3), vec![job("a"); 7], &fixed(2 * SECOND));
    is_whole(&played);
    assert_eq!(played.verdict, Some(Verdict::Succeeded));
    assert_eq!((played.makespan, played.used, played.attempts), (6 * SECOND, 14 * SECOND, 7));
    let wait = played.wait;
    assert_eq!([wait.p50, wait.p90, wait.max].map(seconds), [2.0, 4.0, 4.0]);
    let bars = played.bars.unwrap();
    assert_eq!((bars.len(), bars[6].slot, bars[6].from, bars[6].upto), (7, bars[6].slot, 4 * SECOND, 6 * SECOND));
    assert_eq!(play(simulation(Fifo::new(), 3), Vec::new(), &fixed(SECOND)).makespan, Duration::ZERO);
}

#[test]
fn the_scheduler_decides() {
    let mut jobs: Vec<NewJob> = (0..4).map(|_| job("low")).collect();
    let mut urgent = job("high");
    urgent.priority = Priority(9);
    jobs.push(urgent);
    let waits = |scheduler: Box<dyn FnOnce() -> Simulation>| {
        play(scheduler(), jobs.clone(), &fixed(SECOND)).shares[1].wait.max.as_secs()
    };
    assert_eq!(waits(Box::new(|| simulation(Fifo::new(), 1))), 4);
    assert_eq!(waits(Box::new(|| simulation(PriorityScheduler::new(&Default::default()), 1))), 0);
}

fn ten_tenants(jobs: u64) -> (FairShare, Vec<NewJob>) {
    let weights = (1..=10).fold(Options::default(), |o, weight| o.weight(format!("t{weight}"), f64::from(weight)));
    let jobs = (0..jobs).map(|number| {
        let weight = number % 10 + 1;
        let mut job = job(&format!("t{weight}"));
        // The heavier, the shorter.
        job.cost = (11 - weight) as f64;
        job
    });
    (FairShare::new(&weights).unwrap(), jobs.collect())
}

#[test]
fn ten_tenants_get_what_their_weights_say_within_three_in_a_hundred() {
    for (seed, length) in [(1, Length::PerCost(SECOND)), (2, Length::Exponential(SECOND))] {
        let (scheduler, jobs) = ten_tenants(30_000);
        let played = play(simulation(scheduler, 8), jobs, &Model::new(length.clone(), seed));
        is_whole(&played);
        for row in &played.shares {
            let received = row.received.unwrap();
            assert!((received - 1.0).abs() < 0.03, "{} got {received} of its due, {length:?}", row.name);
        }
        assert!(played.fairness.unwrap() > 0.9995, "{:?}", played.fairness);
        let first_in = play(simulation(Fifo::new(), 8), ten_tenants(3_000).1, &Model::new(length, seed));
        assert_eq!(first_in.shares.len(), 10);
    }
}

#[test]
fn a_light_tenant_waits_for_one_job_of_a_heavy_one() {
    let mut jobs = vec![job("heavy"); 100_000];
    jobs.extend((0..20_u64).map(|number| {
        let mut job = job("light");
        job.after = Some(MonoTime::ZERO + Duration::from_millis(1003 + 777 * number));
        job
    }));
    for slots in [1, 4] {
        let scheduler = FairShare::new(&Options::default()).unwrap();
        let played = play(simulation(scheduler, slots), jobs.clone(), &fixed(Duration::from_millis(10)));
        let wait = played.shares[1].wait;
        assert!(wait.max <= Duration::from_millis(10), "{wait:?} with {slots} slots");
        assert!(wait.max > Duration::ZERO, "they came while all slots were taken");
    }
}

#[test]
fn the_same_seed_gives_the_same_and_another_one_another() {
    let played = |seed| {
        let (scheduler, jobs) = ten_tenants(2_000);
        let mut model = Model::new(Length::LogNormal(SECOND, 0.7), seed);
        model.failures = Some(Failures::new(0.1, ErrorClass::Transient));
        play(simulation(scheduler, 5), jobs, &model)
    };
    assert_eq!(played(7), played(7));
    assert_ne!(played(7).makespan, played(8).makespan);
}

#[test]
fn failures_are_retried_as_the_policy_says() {
    let mut model = fixed(SECOND);
    model.failures = Some(Failures::new(0.2, ErrorClass::Transient));
    let played = play(simulation(Fifo::new(), 10), vec![job("a"); 20_000], &model);
    is_whole(&played);
    assert_eq!(played.attempts, 20_000 + played.retries);
    // Three attempts: one in 125 fails for good.
    assert!(played.counts.failed.abs_diff(160) < 40, "{} failed", played.counts.failed);
    assert!(played.retries.abs_diff(4_800) < 300, "{} retries", played.retries);
    model.failures = Some(Failures::new(1.0, ErrorClass::Permanent));
    let played = play(simulation(Fifo::new(), 10), vec![job("a"); 100], &model);
    assert_eq!((played.counts.failed, played.retries), (100, 0));
}

#[test]
fn time_limits_and_deadlines_hold() {
    let mut limited = simulation(Fifo::new(), 1);
    limited.batch.timeout = Some(SECOND);
    let played = play(limited, vec![job("a"); 2], &fixed(5 * SECOND));
    assert_eq!((played.counts.timed_out, played.attempts), (2, 6), "three attempts each, of a second");
    let mut bounded = simulation(Fifo::new(), 1);
    bounded.batch.deadline = Some(MonoTime::ZERO + 12 * SECOND);
    let played = play(bounded, vec![job("a"); 10], &fixed(5 * SECOND));
    is_whole(&played);
    assert_eq!((played.verdict, played.makespan), (Some(Verdict::DeadlinePassed), 12 * SECOND));
    assert_eq!((played.counts.succeeded, played.counts.timed_out, played.counts.skipped), (2, 1, 7));
    assert_eq!(played.used, 12 * SECOND);
}

#[test]
fn jobs_wait_from_when_they_may_start() {
    let mut late = job("a");
    late.after = Some(MonoTime::ZERO + 10 * SECOND);
    let played = play(simulation(Fifo::new(), 1), vec![late, job("a")], &fixed(4 * SECOND));
    is_whole(&played);
    assert_eq!((played.makespan, played.wait.max), (14 * SECOND, Duration::ZERO));
}

#[test]
fn rules_stop_and_pause_a_batch_that_is_played() {
    let with = |rule: &str| {
        let mut simulation = simulation(Fifo::new(), 1);
        simulation.batch.failure = halt(&[rule]);
        let mut model = fixed(SECOND);
        model.failures = Some(Failures::new(1.0, ErrorClass::Permanent));
        play(simulation, vec![job("a"); 10], &model)
    };
    let stopped = with("soon,fail=3");
    assert!(matches!(&stopped.verdict, Some(Verdict::Halted(reason)) if reason.rule.starts_with("soon,fail=3")));
    assert_eq!((stopped.counts.failed, stopped.counts.skipped), (3, 7));
    let paused = with("pause,fail=2");
    assert!(matches!((&paused.verdict, &paused.paused), (None, Some(Pause::Rule(_)))), "{paused:?}");
    assert_eq!((paused.counts.failed, paused.counts.pending), (2, 8));
}

#[test]
fn tenants_beyond_a_thousand_share_a_row() {
    let mut jobs: Vec<NewJob> = (0..1500).map(|number| job(&format!("t{number}"))).collect();
    jobs.extend((0..10).map(|_| job("t1499")));
    let played = play(simulation(Fifo::new(), 100), jobs, &fixed(SECOND));
    is_whole(&played);
    assert_eq!(played.shares.len(), 1000);
    let rest = played.shares.last().unwrap();
    assert_eq!((rest.name.as_str(), rest.tenants, rest.jobs), ("", 501, 501));
    assert!(played.shares.iter().any(|row| row.name == "t1499" && row.jobs == 11));
}
