//! A governor of a plugin, as core knows them.

use std::{collections::BTreeSet, fmt, ops::RangeInclusive, time::Duration};

use batchmill_core::{Adjustment, BuildContext, BuildError, Governor, LoadSample, Options};

use super::{
    Containment,
    header::is_name,
    instance::{Fault, Instance, Maker},
    succession::{Now, Succession},
};
use crate::{
    layout::{GovernorTable, NONE, RawAdjustment, RawLoadSample},
    text::Buffer,
};

/// The reason is a label: a closed set by contract, and by this.
const REASONS_MAX: usize = 16;

type Remote = Instance<GovernorTable>;

/// The governor that decides now, and what it takes to put another in its place.
pub(super) struct Contained {
    now: Now<GovernorTable, dyn Governor>,
    reasons: BTreeSet<String>,
    /// Asked once: they never change, whoever decides.
    window: Option<Duration>,
    range: RangeInclusive<u32>,
    succession: Succession<GovernorTable, dyn Governor>,
}

impl Contained {
    pub(super) fn new(
        maker: Maker<GovernorTable>,
        containment: &Containment,
        options: &Options,
        context: &BuildContext,
    ) -> Result<Self, BuildError> {
        let fallback = containment.fallbacks.governor.as_ref();
        let succession = Succession::new(maker, containment.on_fault, fallback, options, context);
        let instance = succession.make()?;
        let (window, range) = (window(&instance), range(&instance));
        Ok(Self { now: Now::Plugin(instance), reasons: BTreeSet::new(), window, range, succession })
    }

    /// Puts another in the place of one that failed; what it had learned is learned anew.
    ///
    /// # Panics
    /// Where config says that this ends the host.
    #[cold]
    fn mend(&mut self, fault: Fault) {
        self.now = self.succession.next(fault, |_| Ok(()), |_| {});
    }

    #[cold]
    fn out_of_range(&self, limit: u32) -> Option<Adjustment> {
        if let Now::Plugin(remote) = &self.now {
            remote.wrong(&format!("`adjust` answers {limit}, and its range is {:?}; the limit stays", self.range));
        }
        None
    }

    /// A word of a closed set, or `other`.
    fn reason(&mut self, said: String) -> String {
        let is_word = is_name(&said);
        if is_word && (self.reasons.contains(&said) || self.reasons.len() < REASONS_MAX) {
            self.reasons.insert(said.clone());
            return said;
        }
        "other".to_owned()
    }
}

fn raw_sample(sample: &LoadSample) -> RawLoadSample {
    RawLoadSample {
        size: size_of::<RawLoadSample>() as u32,
        in_flight: sample.in_flight,
        at: sample.at.as_nanos(),
        interval_ns: u64::try_from(sample.interval.as_nanos()).unwrap_or(u64::MAX),
        queued: sample.queued,
        finished: sample.finished,
        failed: sample.failed,
        strained: sample.strained,
        throttled: sample.throttled,
        latency_ratio: sample.latency_ratio.unwrap_or(f64::NAN),
        memory_ratio: sample.memory_ratio.unwrap_or(f64::NAN),
        cpu_ratio: sample.cpu_ratio.unwrap_or(f64::NAN),
        memory_pressure: sample.memory_pressure.unwrap_or(f64::NAN),
    }
}

/// The shortest window of the contract.
const WINDOW_MIN: Duration = Duration::from_millis(100);

/// What core has for a governor that does not say.
const WINDOW: Duration = Duration::from_secs(1);

fn window(remote: &Remote) -> Option<Duration> {
    let Some(window) = remote.table.window else { return Some(WINDOW) };
    let mut nanos = 0;
    // SAFETY: a function of its table with its own instance and a place for the answer.
    let code = remote.call("window", |_, this, error| unsafe { window(this, &raw mut nanos, error) });
    match code {
        Ok(NONE) => None,
        Ok(_) if Duration::from_nanos(nanos) >= WINDOW_MIN => Some(Duration::from_nanos(nanos)),
        Ok(_) => {
            remote.wrong("`window` answers with less than 100 ms");
            Some(WINDOW)
        }
        // The next call that can put another in its place will.
        Err(_) => Some(WINDOW),
    }
}

fn range(remote: &Remote) -> RangeInclusive<u32> {
    let all = 1..=u32::MAX;
    let Some(range) = remote.table.range else { return all };
    let (mut least, mut most) = (0, 0);
    // SAFETY: a function of its table with its own instance and places for the answer.
    let code = remote.call("range", |_, this, error| unsafe { range(this, &raw mut least, &raw mut most, error) });
    match code {
        Ok(_) if least >= 1 && least <= most => least..=most,
        Ok(_) => {
            remote.wrong(&format!("`range` answers {least} to {most}"));
            all
        }
        Err(_) => all,
    }
}

fn ask(remote: &Remote, sample: &LoadSample, current: u32) -> Result<Option<(u32, String)>, Fault> {
    let raw = raw_sample(sample);
    let mut out = RawAdjustment { size: size_of::<RawAdjustment>() as u32, limit: 0 };
    let mut reason = Buffer::default();
    let said = reason.writer();
    let call = |t: &GovernorTable, this, error| {
        t.adjust.map_or(NONE, |adjust| {
            // SAFETY: a function of its table with its own instance; everything else is there for this call.
            unsafe { adjust(this, &raw const raw, current, &raw mut out, &raw const said, error) }
        })
    };
    if remote.call("adjust", call)? == NONE {
        return Ok(None);
    }
    if out.limit == 0 {
        remote.wrong("`adjust` answers with a limit of 0; the limit stays");
        return Ok(None);
    }
    Ok(Some((out.limit, reason.into_text())))
}

impl Governor for Contained {
    fn adjust(&mut self, sample: &LoadSample, current: u32) -> Option<Adjustment> {
        loop {
            let answered = match &mut self.now {
                Now::Plugin(remote) => ask(remote, sample, current),
                Now::BuiltIn(governor) => {
                    let mut answer = governor.adjust(sample, current)?;
                    answer.limit = answer.limit.clamp(*self.range.start(), *self.range.end());
                    return (answer.limit != current).then_some(answer);
                }
            };
            match answered {
                Ok(None) => return None,
                Ok(Some((limit, said))) if self.range.contains(&limit) => {
                    return Some(Adjustment::new(limit, self.reason(said)));
                }
                Ok(Some((limit, _))) => return self.out_of_range(limit),
                Err(fault) => self.mend(fault),
            }
        }
    }

    fn window(&self) -> Option<Duration> {
        self.window
    }

    fn range(&self) -> RangeInclusive<u32> {
        self.range.clone()
    }
}

impl fmt::Debug for Contained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.now {
            Now::Plugin(remote) => remote.fmt(f),
            Now::BuiltIn(governor) => write!(f, "{governor:?} in place of {}", self.succession.maker.who()),
        }
    }
}
