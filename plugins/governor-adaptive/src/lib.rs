//! The concurrency limit follows what nodes, services and the machine bear.
//!
//! **What it is.** A [`Governor`] that reads three signs of too much: nodes take longer than normal, attempts fail in ways
//! that load causes, and the other side asks to come back later (an answer 429). Without a sign, and while the limit is
//! used, it lets the limit grow.
//!
//! **When to use it.** Where nobody knows how much is good, or where it changes: a service that others use too, a disk, this
//! machine.
//!
//! **What it deliberately does not do.** It judges no job by its absolute time: jobs differ by orders of magnitude, so each
//! node is compared with itself. It replaces no limit that somebody knows: `[[limits]]` hold for single tenants or services.
//!
//! After the limiters of Netflix's *concurrency-limits* (gradient and AIMD), with these differences: the least is 1; what is
//! normal is the least of late, not the long-run mean, and is learned anew where less concurrency makes nothing faster;
//! growth quickens; and a change is judged by the attempts that began after it.
//!
//! ```
//! use std::time::Duration;
//! use batchmill_core::{Governor, LoadSample, MonoTime};
//! use batchmill_governor_adaptive::{Adaptive, Options};
//!
//! let mut governor = Adaptive::new(Options::default()).unwrap();
//! let (mut sample, mut limit) = (LoadSample::default(), 10);
//! for second in 0..30 {
//!     sample.at = MonoTime::ZERO + Duration::from_secs(second);
//!     (sample.in_flight, sample.queued) = (limit, 1000);
//!     (sample.finished, sample.latency_ratio) = (100, Some(1.0));
//!     limit = governor.adjust(&sample, limit).map_or(limit, |adjustment| adjustment.limit);
//! }
//! assert_eq!(limit, 200, "nothing spoke against more, up to `max`");
//! ```

mod normal;
mod observed;
mod options;

use std::{ops::RangeInclusive, time::Duration};

use batchmill_core::{Adjustment, Governor, LoadSample, Problem};
use batchmill_plugin::{Registry, TypedFactory};

use self::{
    normal::Normal,
    observed::{Change, Observed},
};

pub use options::{Algorithm, Options};

/// Makes `kind = "adaptive"` known.
pub fn register(registry: &mut Registry) {
    let build = |options: Options, _: &_| {
        let governor = Adaptive::new(options).map_err(batchmill_core::BuildError::Options)?;
        Ok(Box::new(governor) as Box<dyn Governor>)
    };
    registry.register::<dyn Governor>(
        TypedFactory::new("adaptive", "the concurrency limit follows latency, errors and answers 429", build)
            .check(Options::problems),
    );
}

batchmill_plugin::export_plugin!(register, [governor]);

/// Windows in which it only learns what is normal.
const WARM_UP: u32 = 2;
/// No single window takes away more.
const LEAST_FACTOR: f64 = 0.5;
/// What `aimd` keeps at a sign of too much.
const AIMD_FACTOR: f64 = 0.9;
/// The first growth of several in a row, as a share of the limit; each is twice the one before. Below a limit that was too
/// much of late they stay small.
const GROWTH: f64 = 0.1;
const GROWTH_MAX: f64 = 0.7;
/// Nothing is known of what is too much: growth is at its quickest.
const BOLD: u32 = 3;
/// A window of less, once in so many windows, shows whether less makes anything faster. If it does, less still is tried.
const PROBE_EVERY: u32 = 30;
const PROBE_FACTOR: f64 = 0.8;
const FASTER: f64 = 0.9;
/// The share of a limit that is a good deal less than it.
const A_GOOD_DEAL: f64 = 0.7;
/// The limit counts as used when so much of it is.
const USED: f64 = 0.9;
/// The memory from which on nothing grows, and from which on it shrinks.
const MEMORY_HIGH: f64 = 0.7;
const MEMORY_FULL: f64 = 0.8;

/// Adapts the limit. See the [crate documentation](crate).
#[derive(Debug)]
pub struct Adaptive {
    options: Options,
    /// The limit before it is rounded.
    estimate: f64,
    /// The limit as it should be; another one was changed by others.
    limit: u32,
    observed: Observed,
    normal: Normal,
    /// Windows judged.
    windows: u32,
    /// Growths in a row.
    growths: u32,
    /// The limit that was too much when it was last taken from.
    ceiling: f64,
    since_probe: u32,
    /// Where it stood before a window of less.
    probing: Option<Mark>,
    /// Where it stood when latency began to take from it.
    falling: Option<Mark>,
}

/// A limit, and how long nodes took under it.
#[derive(Debug, Clone, Copy)]
struct Mark {
    limit: f64,
    ratio: f64,
}

/// What one window leads to.
#[derive(Debug, Clone, Copy)]
enum Verdict {
    Shrink(f64, &'static str),
    Set(f64, &'static str),
    Grow,
    Hold,
    /// Nothing is known yet.
    Learn,
}

impl Adaptive {
    /// A governor with these options, or everything that is wrong with them.
    pub fn new(options: Options) -> Result<Self, Vec<Problem>> {
        let problems = options.problems();
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            options,
            estimate: 0.0,
            limit: 0,
            observed: Observed::default(),
            normal: Normal::default(),
            windows: 0,
            growths: BOLD,
            ceiling: 0.0,
            since_probe: 0,
            probing: None,
            falling: None,
        })
    }

    /// Others changed the limit: it goes on from there.
    fn follow(&mut self, current: u32) {
        (self.estimate, self.limit) = (f64::from(current), current);
        (self.since_probe, self.probing, self.falling) = (0, None, None);
        self.observed.begin_anew(None);
    }

    fn judge(&mut self, sample: &LoadSample) -> Verdict {
        let memory = sample.memory_ratio.unwrap_or(0.0);
        if memory >= MEMORY_FULL {
            return Verdict::Shrink(AIMD_FACTOR, "memory");
        }
        if let Some(verdict) = self.judge_errors() {
            return verdict;
        }
        if self.windows <= WARM_UP {
            return Verdict::Learn;
        }
        let here = Mark { limit: self.estimate, ratio: self.observed.ratio().unwrap_or(self.normal.ratio()) };
        // Far slower under less is no answer to the question: something else changed meanwhile.
        let is_answer = |before: &Mark| here.ratio <= before.ratio * self.options.tolerance;
        if let Some(before) = self.probing.take().filter(is_answer) {
            return self.probed(before, here);
        }
        let is_used = f64::from(sample.in_flight) >= USED * f64::from(self.limit);
        let slower = here.ratio / self.normal.ratio();
        let tolerated = self.options.tolerance + self.observed.noise();
        if slower > tolerated {
            return self.slower(here, slower);
        }
        self.falling = None;
        if is_used && self.is_probe_due() {
            return self.probe(here);
        }
        let may_grow = is_used && memory < MEMORY_HIGH && self.observed.throttled() == 0.0;
        if may_grow { Verdict::Grow } else { Verdict::Hold }
    }

    /// What load may cause, and the other side says itself. An answer 429 takes less time than a served request, so twice as
    /// many are among the ends as are too many.
    fn judge_errors(&self) -> Option<Verdict> {
        let (throttled, strained) = (self.observed.throttled(), self.observed.strained());
        if throttled > 0.0 && throttled > self.options.error_tolerance {
            return Some(Verdict::Shrink(1.0 - throttled / 2.0, "throttled"));
        }
        let unusual = strained - self.normal.strained();
        (unusual > self.options.error_tolerance).then_some(Verdict::Shrink(1.0 - unusual, "errors"))
    }

    /// Nodes take longer than is tolerated. Where a good deal less concurrency has made nothing faster, it is not our load:
    /// that is what is normal now.
    fn slower(&mut self, here: Mark, slower: f64) -> Verdict {
        match self.falling {
            None => self.falling = Some(here),
            // It is only now that all of it is seen: attempts of before were still under way.
            Some(before) if here.ratio > before.ratio => self.falling = Some(here),
            Some(before) if here.limit <= A_GOOD_DEAL * before.limit && here.ratio > FASTER * before.ratio => {
                self.normal.relearn(here.ratio);
                self.falling = None;
                return Verdict::Set(before.limit, "relearned");
            }
            Some(_) => {}
        }
        // What waits at the other side makes the latency: without it nodes take as long as normal.
        Verdict::Shrink(slower.recip(), "latency")
    }

    fn probe(&mut self, here: Mark) -> Verdict {
        self.probing = Some(here);
        Verdict::Set(here.limit * PROBE_FACTOR, "probe")
    }

    /// A window of less is over. If it made nothing faster, nothing waits, so this is what is normal, and the limit goes back.
    fn probed(&mut self, before: Mark, here: Mark) -> Verdict {
        if here.ratio >= FASTER * before.ratio {
            self.normal.relearn(here.ratio);
            return Verdict::Set(before.limit, "probe");
        }
        self.normal.relearn(here.ratio.min(self.normal.ratio()));
        self.probe(here)
    }

    fn is_probe_due(&mut self) -> bool {
        self.since_probe += 1;
        let is_due = self.since_probe >= PROBE_EVERY;
        if is_due {
            self.since_probe = 0;
        }
        is_due
    }

    fn growth(&mut self) -> f64 {
        let step = match self.options.algorithm {
            Algorithm::Aimd => 1.0,
            Algorithm::Gradient => {
                let doublings = i32::try_from(self.growths).unwrap_or(i32::MAX);
                (self.estimate * (GROWTH * 2_f64.powi(doublings)).min(GROWTH_MAX)).max(1.0)
            }
        };
        if self.estimate >= self.ceiling {
            self.growths = self.growths.saturating_add(1);
        }
        step
    }

    /// Does what was judged: the new limit and its reason.
    fn act(&mut self, verdict: Verdict) -> Option<&'static str> {
        let (wanted, reason) = match verdict {
            Verdict::Learn => return None,
            Verdict::Hold => {
                self.growths = self.growths.saturating_sub(1);
                return None;
            }
            Verdict::Grow => (self.estimate + self.growth(), "growth"),
            Verdict::Set(limit, reason) => (limit, reason),
            Verdict::Shrink(factor, reason) => {
                (self.growths, self.ceiling, self.probing) = (0, self.estimate, None);
                let factor = match self.options.algorithm {
                    Algorithm::Gradient => factor.clamp(LEAST_FACTOR, 1.0),
                    Algorithm::Aimd => AIMD_FACTOR,
                };
                // What rounds to the limit that it was would be no answer.
                (f64::min(self.estimate * factor, self.estimate - 1.0), reason)
            }
        };
        self.estimate = wanted.clamp(f64::from(self.options.min), f64::from(self.options.max));
        Some(reason)
    }
}

impl Governor for Adaptive {
    fn adjust(&mut self, sample: &LoadSample, current: u32) -> Option<Adjustment> {
        if current != self.limit {
            self.follow(current);
        }
        self.observed.add(sample);
        if self.observed.finished() < self.options.min_sample {
            return None;
        }
        self.windows = self.windows.saturating_add(1);
        let verdict = self.judge(sample);
        self.normal.learn(&self.observed, self.options.tolerance);
        let reason = self.act(verdict);
        let limit = rounded(self.estimate);
        let changed = reason.filter(|_| limit != current);
        let change = changed.map(|_| Change { is_less: limit < current, in_flight: sample.in_flight });
        self.observed.begin_anew(change);
        self.limit = limit;
        changed.map(|reason| Adjustment::new(limit, reason))
    }

    fn window(&self) -> Option<Duration> {
        Some(self.options.window.into())
    }

    fn range(&self) -> RangeInclusive<u32> {
        self.options.min..=self.options.max
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between `min` and `max`, both u32")]
fn rounded(estimate: f64) -> u32 {
    estimate.round() as u32
}
