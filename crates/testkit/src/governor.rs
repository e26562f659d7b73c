//! The kit for [`Governor`]s.

use std::time::Duration;

use batchmill_core::{Adjustment, Governor, LoadSample, MonoTime};

use crate::{
    Case, FakeClock, Make, Report, Seed,
    case::{Checked, Unmet, ensure},
};

/// What the kit makes many of.
pub type Subject = Box<dyn Governor>;

/// Runs every case.
pub fn run(make: impl Fn() -> Subject) -> Report {
    Report::of("governor", cases(), &make)
}

/// The cases, in the order of the report.
pub fn cases() -> &'static [Case<Subject>] {
    const CASES: &[Case<Subject>] = &[
        Case::new("window_and_range_make_sense_and_stay", window_and_range_make_sense_and_stay),
        Case::new("a_limit_is_within_the_range", a_limit_is_within_the_range),
        Case::new("an_answer_changes_the_limit", an_answer_changes_the_limit),
        Case::new("a_reason_is_one_word", a_reason_is_one_word),
        Case::new("nothing_grows_while_the_limit_is_not_used", nothing_grows_while_the_limit_is_not_used),
        Case::new("a_limit_that_others_set_is_where_it_goes_on", a_limit_that_others_set_is_where_it_goes_on),
        Case::new("a_replay_gives_the_same_answers", a_replay_gives_the_same_answers),
        Case::new("instances_are_independent", instances_are_independent),
        Case::new("extreme_samples_do_not_panic", extreme_samples_do_not_panic),
        Case::new("moves_between_threads", moves_between_threads),
    ];
    CASES
}

/// What a host might tell, for one sample after the other.
struct Load {
    seed: Seed,
    clock: FakeClock,
}

impl Load {
    fn new(seed: u64) -> Self {
        Self { seed: Seed::new(seed), clock: FakeClock::new() }
    }

    /// A sample while `in_flight` attempts run: of any quality, better or worse for a while.
    fn sample(&mut self, in_flight: u32) -> LoadSample {
        let Self { seed, clock } = self;
        let interval = Duration::from_millis(1000 + seed.below(200));
        let mut sample = LoadSample::default();
        (sample.at, sample.interval, sample.in_flight) = (clock.advance(interval), interval, in_flight);
        sample.queued = seed.below(1000);
        sample.finished = seed.below(200);
        if seed.once_in(4) {
            sample.failed = seed.below(sample.finished + 1);
            sample.strained = seed.below(sample.failed + 1);
            sample.throttled = seed.below(sample.strained + 1);
        }
        if sample.finished > 0 {
            sample.latency_ratio = Some(seconds(seed.below(3000) + 500));
        }
        if seed.once_in(8) {
            (sample.memory_ratio, sample.cpu_ratio) =
                (Some(seconds(seed.below(1001))), Some(seconds(seed.below(1001))));
            sample.memory_pressure = Some(seconds(seed.below(100_000)));
        }
        sample
    }

    /// One in which nothing speaks against more.
    fn good(&mut self, in_flight: u32) -> LoadSample {
        let mut sample = self.sample(in_flight);
        (sample.finished, sample.failed, sample.strained, sample.throttled) = (100, 0, 0, 0);
        (sample.queued, sample.latency_ratio) = (1000, Some(1.0));
        (sample.memory_ratio, sample.cpu_ratio, sample.memory_pressure) = (None, None, None);
        sample
    }

    /// One in which everything does.
    fn bad(&mut self, in_flight: u32) -> LoadSample {
        let mut sample = self.good(in_flight);
        (sample.failed, sample.strained, sample.throttled) = (100, 100, 100);
        sample.latency_ratio = Some(100.0);
        sample
    }
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn seconds(thousandths: u64) -> f64 {
    thousandths as f64 / 1000.0
}

/// A limit that it may begin with.
fn first(governor: &dyn Governor) -> u32 {
    let range = governor.range();
    50.clamp(*range.start(), *range.end())
}

/// What it answers to samples of a host that does what it says and always uses the whole limit.
fn answers(governor: &mut dyn Governor, load: &mut Load, count: usize) -> Vec<Option<Adjustment>> {
    let mut limit = first(governor);
    (0..count)
        .map(|_| {
            let answer = governor.adjust(&load.sample(limit), limit);
            limit = answer.as_ref().map_or(limit, |adjustment| adjustment.limit);
            answer
        })
        .collect()
}

fn all_answers(make: Make<'_, Subject>) -> Vec<Option<Adjustment>> {
    (0..20).flat_map(|seed| answers(&mut *make(), &mut Load::new(seed), 200)).collect()
}

fn window_and_range_make_sense_and_stay(make: Make<'_, Subject>) -> Checked {
    let mut governor = make();
    let (window, range) = (governor.window(), governor.range());
    ensure!(window.is_none_or(|window| window >= Duration::from_millis(100)), "it asks to be asked each {window:?}");
    ensure!(*range.start() >= 1 && !range.is_empty(), "its range is {range:?}");
    answers(&mut *governor, &mut Load::new(1), 200);
    ensure!((governor.window(), governor.range()) == (window, range), "its window or range has changed");
    Ok(())
}

fn a_limit_is_within_the_range(make: Make<'_, Subject>) -> Checked {
    let range = make().range();
    for Adjustment { limit, .. } in all_answers(make).into_iter().flatten() {
        ensure!(range.contains(&limit), "it answers {limit}, and its range is {range:?}");
    }
    for is_good in [false, true] {
        let (mut governor, mut load) = (make(), Load::new(7));
        let mut limit = first(&*governor);
        for _ in 0..1000 {
            let sample = if is_good { load.good(limit) } else { load.bad(limit) };
            let Some(answer) = governor.adjust(&sample, limit) else { continue };
            ensure!(range.contains(&answer.limit), "it answers {}, and its range is {range:?}", answer.limit);
            limit = answer.limit;
        }
    }
    Ok(())
}

fn an_answer_changes_the_limit(make: Make<'_, Subject>) -> Checked {
    for seed in 0..20 {
        let (mut governor, mut load) = (make(), Load::new(seed));
        let mut limit = first(&*governor);
        for number in 0..200 {
            let sample = load.sample(if number % 2 == 0 { limit } else { limit / 2 });
            let Some(answer) = governor.adjust(&sample, limit) else { continue };
            ensure!(answer.limit != limit, "seed {seed}: it answers the limit that is in force, {limit}");
            limit = answer.limit;
        }
    }
    Ok(())
}

fn a_reason_is_one_word(make: Make<'_, Subject>) -> Checked {
    for Adjustment { reason, .. } in all_answers(make).into_iter().flatten() {
        let is_word = !reason.is_empty() && reason.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        ensure!(is_word, "`{reason}` is no word of small letters");
    }
    Ok(())
}

fn nothing_grows_while_the_limit_is_not_used(make: Make<'_, Subject>) -> Checked {
    let (mut governor, mut load) = (make(), Load::new(2));
    let mut limit = first(&*governor);
    for number in 0..200 {
        let sample = load.good(limit / 2);
        let Some(answer) = governor.adjust(&sample, limit) else { continue };
        ensure!(answer.limit < limit, "sample {number}: half of {limit} is used, and it answers {}", answer.limit);
        limit = answer.limit;
    }
    Ok(())
}

/// Somebody sets it to the least: what grows then grows from there, not from where it was.
fn a_limit_that_others_set_is_where_it_goes_on(make: Make<'_, Subject>) -> Checked {
    let (mut governor, mut load) = (make(), Load::new(3));
    let (least, most) = governor.range().into_inner();
    let mut limit = most.min(1000);
    for _ in 0..20 {
        limit = governor.adjust(&load.good(limit), limit).map_or(limit, |answer| answer.limit);
    }
    if limit / 4 <= least {
        return Err(Unmet::NotApplicable("its range has no room"));
    }
    if let Some(answer) = governor.adjust(&load.good(least), least) {
        ensure!(answer.limit <= limit / 2, "from {least}, which others set, it goes to {}", answer.limit);
    }
    Ok(())
}

fn a_replay_gives_the_same_answers(make: Make<'_, Subject>) -> Checked {
    for seed in 0..20 {
        let one = answers(&mut *make(), &mut Load::new(seed), 200);
        let other = answers(&mut *make(), &mut Load::new(seed), 200);
        if let Some(place) = one.iter().zip(&other).position(|(a, b)| a != b) {
            let message = format!("seed {seed}: sample {place} gave {:?} and then {:?}", one[place], other[place]);
            return Err(Unmet::Failed(message));
        }
    }
    Ok(())
}

fn instances_are_independent(make: Make<'_, Subject>) -> Checked {
    let expected = answers(&mut *make(), &mut Load::new(4), 200);
    let (mut one, mut load) = (make(), Load::new(4));
    let mut limit = first(&*one);
    for expected in expected {
        answers(&mut *make(), &mut Load::new(5), 3);
        let answer = one.adjust(&load.sample(limit), limit);
        ensure!(answer == expected, "{answer:?} beside another instance, {expected:?} alone");
        limit = answer.map_or(limit, |adjustment| adjustment.limit);
    }
    Ok(())
}

fn extreme_samples_do_not_panic(make: Make<'_, Subject>) -> Checked {
    let range = make().range();
    let counts = [0, 1, u64::MAX];
    let ratios = [None, Some(0.0), Some(f64::MIN_POSITIVE), Some(f64::MAX), Some(f64::INFINITY), Some(f64::NAN)];
    for current in [*range.start(), *range.end()] {
        let mut governor = make();
        for (number, ratio) in ratios.iter().cycle().take(60).enumerate() {
            let mut sample = LoadSample::default();
            let count = counts[number % counts.len()];
            (sample.finished, sample.failed, sample.strained, sample.throttled) = (count, count, count, count);
            (sample.queued, sample.in_flight) = (count, u32::MAX);
            (sample.latency_ratio, sample.memory_ratio) = (*ratio, *ratio);
            (sample.cpu_ratio, sample.memory_pressure) = (*ratio, *ratio);
            sample.at = if number < 50 { MonoTime::from_nanos(number as u64) } else { MonoTime::NEVER };
            if let Some(answer) = governor.adjust(&sample, current) {
                ensure!(range.contains(&answer.limit), "{sample:?} gives {answer:?}");
            }
        }
    }
    Ok(())
}

fn moves_between_threads(make: Make<'_, Subject>) -> Checked {
    let expected = answers(&mut *make(), &mut Load::new(6), 200);
    let mut governor = make();
    let thread = std::thread::spawn(move || answers(&mut *governor, &mut Load::new(6), 200));
    let moved = thread.join().map_err(|_| Unmet::Failed("panicked on another thread".to_owned()))?;
    ensure!(moved == expected, "a governor answers differently on other threads");
    Ok(())
}
