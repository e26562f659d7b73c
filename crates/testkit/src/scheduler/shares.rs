//! Shares: only for schedulers that say they have them.

use std::{collections::BTreeMap, time::Duration};

use batchmill_core::{ClassId, MonoTime, Pick, ShareUsage, Shares, Usage};

use super::{QueuedJob, Subject};
use crate::{
    FakeClock, Make,
    case::{Checked, Unmet, ensure},
};

/// A scheduler with shares, and the clock it is asked with.
struct Divided {
    scheduler: Subject,
    clock: FakeClock,
    /// How long attempts take: next to nothing beside a half-life.
    length: Duration,
}

const SECOND: Duration = Duration::from_secs(1);
/// No rounding of amounts may be larger.
const GRAIN: f64 = 1e-6;

impl Divided {
    fn new(make: Make<'_, Subject>) -> Result<Self, Unmet> {
        let mut scheduler = make();
        match scheduler.shares().is_some() {
            true => {
                let memory = scheduler.shares().and_then(|shares| shares.memory());
                let length = memory.map_or(SECOND, |memory| memory.half_life / 10_000);
                Ok(Self { scheduler, clock: FakeClock::new(), length })
            }
            false => Err(Unmet::NotApplicable("shares is none")),
        }
    }

    /// One that remembers what shares used.
    fn with_memory(make: Make<'_, Subject>) -> Result<Self, Unmet> {
        let mut divided = Self::new(make)?;
        let Some(memory) = divided.shares().memory() else { return Err(Unmet::NotApplicable("memory is none")) };
        ensure!(!memory.half_life.is_zero(), "a memory with a half-life of zero remembers nothing");
        ensure!(!memory.unit.is_empty(), "what amounts count has no name");
        Ok(divided)
    }

    fn shares(&mut self) -> &mut dyn Shares {
        self.scheduler.shares().expect("it has had shares")
    }

    /// So many jobs of each of these shares, in turn.
    fn push(&mut self, shares: &[&str], count: u64) {
        for number in 0..count {
            for (place, share) in (0_u32..).zip(shares) {
                let mut job = QueuedJob::new(u64::from(place) * 1_000_000 + number).queued(number);
                (job.class, job.share) = (ClassId(place), (*share).to_owned());
                self.scheduler.push(job.entry());
            }
        }
    }

    /// Runs the next jobs, one after the other; how many were of each share, by its place.
    fn run(&mut self, count: u64) -> BTreeMap<u64, u64> {
        let mut started = BTreeMap::new();
        for _ in 0..count {
            let Pick::Run(token) = self.scheduler.pop(self.clock.now()) else { break };
            *started.entry(token.0 / 1_000_000).or_default() += 1;
            self.clock.advance(self.length);
            self.scheduler.on_finish(token, Usage::new(self.length));
        }
        started
    }

    fn taken(&mut self) -> Result<BTreeMap<String, f64>, Unmet> {
        let mut amounts = BTreeMap::new();
        for ShareUsage { share, amount, .. } in self.shares().take_usage() {
            ensure!(amount.is_finite() && amount >= 0.0, "`{share}` used {amount}");
            *amounts.entry(share).or_default() += amount;
        }
        Ok(amounts)
    }
}

fn sum(amounts: &BTreeMap<String, f64>) -> f64 {
    amounts.values().sum()
}

pub(super) fn what_was_used_is_handed_out_once(make: Make<'_, Subject>) -> Checked {
    let (mut often, mut once) = (Divided::with_memory(make)?, Divided::with_memory(make)?);
    let mut parts: BTreeMap<String, f64> = BTreeMap::new();
    often.push(&["a", "b/x"], 20);
    once.push(&["a", "b/x"], 20);
    for _ in 0..8 {
        often.run(5);
        for (share, amount) in often.taken()? {
            *parts.entry(share).or_default() += amount;
        }
        let again = often.taken()?;
        ensure!(sum(&again) == 0.0, "{again:?} was handed out again");
    }
    once.run(40);
    let whole = once.taken()?;
    ensure!(sum(&whole) > 0.0, "40 jobs ran, and nothing was handed out");
    ensure!(whole.keys().eq(["a", "b/x"]), "what shares used is under {:?}, expected a and b/x", whole.keys());
    for (share, amount) in &whole {
        let parts = parts.get(share).copied().unwrap_or_default();
        ensure!((parts - amount).abs() <= GRAIN, "`{share}` used {amount} at once and {parts} in parts");
    }
    Ok(())
}

pub(super) fn what_did_not_run_is_not_handed_out(make: Make<'_, Subject>) -> Checked {
    let mut divided = Divided::with_memory(make)?;
    divided.push(&["a"], 2);
    let Pick::Run(token) = divided.scheduler.pop(divided.clock.now()) else {
        return Err(Unmet::Failed("nothing was picked of two jobs".to_owned()));
    };
    let running = divided.taken()?;
    ensure!(sum(&running) == 0.0, "{running:?} was handed out while the only attempt runs");
    divided.scheduler.on_finish(token, Usage::default());
    let given_back = divided.taken()?;
    ensure!(sum(&given_back) == 0.0, "{given_back:?} was handed out for what was picked and given back");
    Ok(())
}

pub(super) fn what_is_recalled_counts_as_if_used_here(make: Make<'_, Subject>) -> Checked {
    let mut first = Divided::with_memory(make)?;
    first.push(&["a", "b"], 20);
    // Only `a` has jobs for a while.
    first.scheduler.hold(ClassId(1));
    first.run(10);
    let used = first.taken()?;
    ensure!(used.get("a").is_some_and(|amount| *amount > 0.0), "`a` ran ten jobs and used {used:?}");

    let mut second = Divided::with_memory(make)?;
    let used: Vec<ShareUsage> = used.into_iter().map(|(share, amount)| ShareUsage::new(share, amount)).collect();
    let now = second.clock.now();
    second.shares().recall(now, &used);
    second.push(&["a", "b"], 20);
    let started = second.run(9);
    let b = started.get(&1).copied().unwrap_or_default();
    ensure!(b > 7, "after `a` used ten jobs elsewhere, `b` got {b} of nine starts");
    let handed_out = second.taken()?;
    let most = used.iter().map(|used| used.amount).sum::<f64>() + GRAIN;
    ensure!(sum(&handed_out) < most, "what was recalled is handed out again: {handed_out:?}");
    Ok(())
}

pub(super) fn any_amount_is_recalled(make: Make<'_, Subject>) -> Checked {
    let mut divided = Divided::new(make)?;
    let long = "x".repeat(4096);
    for share in ["", "/", "a", "a/b/c", "a/b", &long, "ünïcødé/🦀"] {
        for amount in [0.0, f64::MIN_POSITIVE, 1.0, 1e300, f64::MAX] {
            let now = divided.clock.advance(SECOND);
            divided.shares().recall(now, &[ShareUsage::new(share, amount), ShareUsage::new("other", amount)]);
        }
    }
    divided.push(&["a", "a/b", "new"], 10);
    let started: u64 = divided.run(100).values().sum();
    ensure!(started == 30, "{started} of 30 jobs came out");
    Ok(())
}

pub(super) fn without_a_memory_nothing_is_remembered(make: Make<'_, Subject>) -> Checked {
    let (mut divided, mut plain) = (Divided::new(make)?, Divided::new(make)?);
    if divided.shares().memory().is_some() {
        return Err(Unmet::NotApplicable("it has a memory"));
    }
    divided.shares().recall(MonoTime::ZERO, &[ShareUsage::new("a", 1e6)]);
    for divided in [&mut divided, &mut plain] {
        divided.push(&["a", "b"], 20);
    }
    let (recalled, expected) = (divided.run(10), plain.run(10));
    ensure!(recalled == expected, "starts are {recalled:?} after something was recalled, expected {expected:?}");
    let taken = divided.taken()?;
    ensure!(taken.is_empty(), "{taken:?} was handed out");
    Ok(())
}

pub(super) fn a_weight_counts_from_the_next_pick_on(make: Make<'_, Subject>) -> Checked {
    for queued_before in [true, false] {
        let mut divided = Divided::new(make)?;
        if queued_before {
            divided.push(&["a", "b"], 500);
            divided.run(20);
        }
        for (share, weight) in [("a", 1.0), ("b", 9.0)] {
            let answer = divided.shares().set_weight(share, weight);
            ensure!(answer.is_ok(), "weight {weight} of `{share}` is refused: {answer:?}");
            let told = divided.shares().weight(share);
            ensure!((told - weight).abs() < GRAIN, "`{share}` was given weight {weight}, and {told} is told");
        }
        if !queued_before {
            divided.push(&["a", "b"], 500);
        }
        let b = divided.run(200).get(&1).copied().unwrap_or_default();
        // Nine tenths, after what a memory may have to make up for.
        ensure!(
            (165..=198).contains(&b),
            "with weight 9 against 1 `b` got {b} of 200 starts, jobs first: {queued_before}"
        );
    }
    Ok(())
}

pub(super) fn a_weight_that_is_none_is_refused(make: Make<'_, Subject>) -> Checked {
    let (mut divided, mut plain) = (Divided::new(make)?, Divided::new(make)?);
    for weight in [0.0, -0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let answer = divided.shares().set_weight("a", weight);
        ensure!(matches!(&answer, Err(why) if !why.is_empty()), "weight {weight} was answered with {answer:?}");
    }
    for divided in [&mut divided, &mut plain] {
        divided.push(&["a", "b"], 50);
    }
    let (refused, expected) = (divided.run(50), plain.run(50));
    ensure!(refused == expected, "starts are {refused:?} after refused weights, expected {expected:?}");
    Ok(())
}
