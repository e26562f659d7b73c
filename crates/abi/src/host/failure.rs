//! A failure strategy of a plugin, as core knows them.

use std::fmt;

use batchmill_core::{BuildContext, BuildError, Directive, FailureStrategy, FinalResult, Options, StopReason};

use super::{
    Containment,
    instance::{Fault, Instance, Maker},
    succession::{Now, Succession},
};
use crate::{
    layout::{
        DIRECTIVE_CONTINUE, DIRECTIVE_NOW, DIRECTIVE_PAUSE, DIRECTIVE_SOON, FailureTable, RawDirective, RawFinalResult,
        class_code, status_code,
    },
    text::Buffer,
};

type Remote = Instance<FailureTable>;

/// The strategy that decides now, and what it takes to put another in its place.
pub(super) struct Contained {
    now: Now<FailureTable, dyn FailureStrategy>,
    /// What it was told: a strategy's state derives from this alone. Kept where another may take its place; one entry a job.
    told: Option<Vec<(FinalResult, u64)>>,
    succession: Succession<FailureTable, dyn FailureStrategy>,
}

impl Contained {
    pub(super) fn new(
        maker: Maker<FailureTable>,
        containment: &Containment,
        options: &Options,
        context: &BuildContext,
    ) -> Result<Self, BuildError> {
        let fallback = containment.fallbacks.failure.as_ref();
        let succession = Succession::new(maker, containment.on_fault, fallback, options, context);
        let told = succession.keeps().then(Vec::new);
        Ok(Self { now: Now::Plugin(succession.make()?), told, succession })
    }

    /// Puts another in the place of one that failed, told all but the last of what happened; what it answered to that is
    /// decided already.
    ///
    /// # Panics
    /// Where config says that this ends the host.
    #[cold]
    fn mend(&mut self, fault: Fault) {
        let past = self.told.as_deref().unwrap_or_default();
        let past = &past[..past.len().saturating_sub(1)];
        self.now = self.succession.next(
            fault,
            |instance| past.iter().try_for_each(|(result, total)| ask(instance, result, *total).map(drop)),
            |built_in| {
                for (result, total) in past {
                    built_in.on_result(result, *total);
                }
            },
        );
    }
}

fn ask(remote: &Remote, result: &FinalResult, total: u64) -> Result<Directive, Fault> {
    let raw = RawFinalResult {
        size: size_of::<RawFinalResult>() as u32,
        status: status_code(result.status),
        error_class: class_code(result.class),
        reserved: 0,
        at: result.at.as_nanos(),
    };
    let size = size_of::<RawDirective>() as u32;
    let mut out = RawDirective { size, action: DIRECTIVE_CONTINUE, success: 0, reserved: 0 };
    let (mut rule, mut message) = (Buffer::default(), Buffer::default());
    let (rule_said, message_said) = (rule.writer(), message.writer());
    let call = |t: &FailureTable, this, error| {
        t.on_result.map_or(-1, |tell| {
            // SAFETY: a function of its table with its own instance; everything else is there for this call.
            unsafe {
                tell(this, &raw const raw, total, &raw mut out, &raw const rule_said, &raw const message_said, error)
            }
        })
    };
    remote.call("on_result", call)?;
    if out.action == DIRECTIVE_CONTINUE {
        return Ok(Directive::Continue);
    }
    Ok(directive(remote, out, rule.into_text(), message.into_text()))
}

fn directive(remote: &Remote, out: RawDirective, rule: String, message: String) -> Directive {
    let or = |text: String, otherwise: &str| if text.trim().is_empty() { otherwise.to_owned() } else { text };
    let mut reason = StopReason::new(or(rule, &remote.pulse.who), or(message, "it does not say why"));
    reason.success = out.success == 1;
    match out.action {
        DIRECTIVE_PAUSE => Directive::Pause(reason),
        DIRECTIVE_SOON => Directive::Soon(reason),
        DIRECTIVE_NOW => Directive::Now(reason),
        other => {
            remote.wrong(&format!("`on_result` answers {other}, which means nothing; the batch goes on"));
            Directive::Continue
        }
    }
}

impl FailureStrategy for Contained {
    fn on_result(&mut self, result: &FinalResult, total: u64) -> Directive {
        if let Some(told) = &mut self.told {
            told.push((*result, total));
        }
        loop {
            let answered = match &mut self.now {
                Now::Plugin(remote) => ask(remote, result, total),
                Now::BuiltIn(strategy) => return strategy.on_result(result, total),
            };
            match answered {
                Ok(directive) => return directive,
                Err(fault) => self.mend(fault),
            }
        }
    }
}

impl fmt::Debug for Contained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.now {
            Now::Plugin(remote) => remote.fmt(f),
            Now::BuiltIn(strategy) => write!(f, "{strategy:?} in place of {}", self.succession.maker.who()),
        }
    }
}
