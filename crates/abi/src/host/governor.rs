//! A governor of a plugin, as core knows them.

use std::{collections::BTreeSet, fmt, sync::Arc};

use batchmill_core::{Adjustment, BuildContext, BuildError, Factory, Governor, LoadSample, Options};

use super::{
    Containment,
    header::is_name,
    instance::{Fault, Instance, Maker, Patience, Remedy},
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
    now: Now,
    reasons: BTreeSet<String>,
    patience: Patience,
    maker: Maker<GovernorTable>,
    options: Options,
    context: BuildContext,
    fallback: Option<Arc<dyn Factory<dyn Governor>>>,
}

enum Now {
    Plugin(Remote),
    BuiltIn(Box<dyn Governor>),
}

impl Contained {
    pub(super) fn new(
        maker: Maker<GovernorTable>,
        containment: &Containment,
        options: &Options,
        context: &BuildContext,
    ) -> Result<Self, BuildError> {
        let instance = maker.make(options, context)?;
        Ok(Self {
            now: Now::Plugin(instance),
            reasons: BTreeSet::new(),
            patience: Patience::new(containment.on_fault),
            maker,
            options: options.clone(),
            context: context.clone(),
            fallback: containment.fallbacks.governor.clone(),
        })
    }

    /// Puts another in the place of one that failed; what it had learned is learned anew.
    ///
    /// # Panics
    /// Where config says that this ends the host.
    #[cold]
    fn mend(&mut self, mut fault: Fault) {
        let who = self.maker.who();
        loop {
            tracing::error!(plugin = self.maker.plugin.header().name, "{who}: {fault}");
            self.now = match self.patience.next() {
                Remedy::Recreate => match self.maker.make(&self.options, &self.context) {
                    Ok(instance) => Now::Plugin(instance),
                    Err(error) => {
                        fault = Fault { call: "create", code: -1, message: error.to_string() };
                        continue;
                    }
                },
                Remedy::Fallback => match self.fallback.as_ref().map(|f| f.build(&Options::new(), &self.context)) {
                    Some(Ok(built)) => Now::BuiltIn(built),
                    _ => panic!("{who}: {fault}, and there is no fallback"),
                },
                Remedy::Fail => panic!("{who}: {fault}"),
            };
            tracing::warn!("{who}: another takes its place");
            return;
        }
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
        latency_ratio: sample.latency_ratio.unwrap_or(f64::NAN),
        memory_ratio: sample.memory_ratio.unwrap_or(f64::NAN),
        cpu_ratio: sample.cpu_ratio.unwrap_or(f64::NAN),
        memory_pressure: sample.memory_pressure.unwrap_or(f64::NAN),
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
                Now::BuiltIn(governor) => return governor.adjust(sample, current),
            };
            match answered {
                Ok(None) => return None,
                Ok(Some((limit, said))) => return Some(Adjustment::new(limit, self.reason(said))),
                Err(fault) => self.mend(fault),
            }
        }
    }
}

impl fmt::Debug for Contained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.now {
            Now::Plugin(remote) => remote.fmt(f),
            Now::BuiltIn(governor) => write!(f, "{governor:?} in place of {}", self.maker.who()),
        }
    }
}
