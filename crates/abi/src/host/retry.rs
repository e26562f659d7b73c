//! A retry policy of a plugin, as core knows them.

use std::{
    fmt,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use batchmill_core::{BuildContext, BuildError, FailedAttempt, Options, RetryBudget, RetryDecision, RetryPolicy};

use super::{
    Containment,
    instance::{Fault, Instance, Maker},
    succession::{Now, Succession},
};
use crate::{
    layout::{RETRY_AFTER, RETRY_GIVE_UP, RawBudget, RawFailedAttempt, RawRetryDecision, RetryTable, class_code},
    text::Buffer,
};

/// No wait is longer: a policy that answers so has a defect, and its job would never run again.
const DELAY_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

type Remote = Instance<RetryTable>;

/// The policy that decides now, and what it takes to put another in its place. Many ask at once.
pub(super) struct Contained {
    now: RwLock<Arc<Now<RetryTable, dyn RetryPolicy>>>,
    succession: Mutex<Succession<RetryTable, dyn RetryPolicy>>,
    who: String,
}

impl Contained {
    pub(super) fn new(
        maker: Maker<RetryTable>,
        containment: &Containment,
        options: &Options,
        context: &BuildContext,
    ) -> Result<Self, BuildError> {
        let (who, fallback) = (maker.who(), containment.fallbacks.retry.as_ref());
        let succession = Succession::new(maker, containment.on_fault, fallback, options, context);
        let now = RwLock::new(Arc::new(Now::Plugin(succession.make()?)));
        Ok(Self { now, succession: Mutex::new(succession), who })
    }

    fn now(&self) -> Arc<Now<RetryTable, dyn RetryPolicy>> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another in the place of one that failed, unless somebody did so already.
    ///
    /// # Panics
    /// Where config says that this ends the host.
    #[cold]
    fn mend(&self, failed: &Arc<Now<RetryTable, dyn RetryPolicy>>, fault: Fault) {
        let mut succession = self.succession.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&self.now(), failed) {
            let next = succession.next(fault, |_| Ok(()), |_| {});
            *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        }
    }

    /// Asks whoever decides now, until one answers.
    fn ask<R>(&self, plugin: impl Fn(&Remote) -> Result<R, Fault>, built_in: impl Fn(&dyn RetryPolicy) -> R) -> R {
        loop {
            let now = self.now();
            let answered = match &*now {
                Now::Plugin(remote) => plugin(remote),
                Now::BuiltIn(policy) => return built_in(&**policy),
            };
            match answered {
                Ok(answer) => return answer,
                Err(fault) => self.mend(&now, fault),
            }
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn decide(remote: &Remote, failed: &FailedAttempt) -> Result<RetryDecision, Fault> {
    let raw = RawFailedAttempt {
        size: size_of::<RawFailedAttempt>() as u32,
        attempt: failed.attempt,
        error_class: class_code(Some(failed.class)),
        has_hint: failed.hint.is_some().into(),
        elapsed_ns: nanos(failed.elapsed),
        hint_ns: failed.hint.map_or(0, nanos),
        draw: failed.draw.get(),
    };
    let size = size_of::<RawRetryDecision>() as u32;
    let (mut out, mut reason) = (RawRetryDecision { size, action: u32::MAX, delay_ns: 0 }, Buffer::default());
    let said = reason.writer();
    let ask = |t: &RetryTable, this, error| {
        // SAFETY: a function of its table with its own instance; everything else is there for this call.
        t.decide.map_or(-1, |decide| unsafe { decide(this, &raw const raw, &raw mut out, &raw const said, error) })
    };
    remote.call_shared("decide", ask)?;
    Ok(decision(remote, &out, failed.hint, reason.into_text()))
}

/// What a policy may not answer is not done.
fn decision(remote: &Remote, out: &RawRetryDecision, hint: Option<Duration>, reason: String) -> RetryDecision {
    let delay = Duration::from_nanos(out.delay_ns);
    let hint = hint.unwrap_or_default();
    match out.action {
        // What the other side asks for is not the policy's: more than a year may be its wish.
        RETRY_AFTER if delay > DELAY_MAX.max(hint) && nanos(hint) != out.delay_ns => {
            remote.wrong(&format!("`decide` answers with a wait of {delay:?}, which is absurd"));
            RetryDecision::GiveUp(format!("{} answered with an absurd wait", remote.pulse.who).into())
        }
        RETRY_AFTER if delay < hint && nanos(hint) != out.delay_ns => {
            remote.wrong("`decide` answers with a shorter wait than the other side asked for");
            RetryDecision::After(hint)
        }
        RETRY_AFTER if nanos(hint) == out.delay_ns => RetryDecision::After(hint.max(delay)),
        RETRY_AFTER => RetryDecision::After(delay),
        RETRY_GIVE_UP if reason.trim().is_empty() => RetryDecision::GiveUp("the retry policy gives up".into()),
        RETRY_GIVE_UP => RetryDecision::GiveUp(reason.into()),
        other => {
            remote.wrong(&format!("`decide` answers {other}, which means nothing"));
            RetryDecision::GiveUp(format!("{} gave no answer", remote.pulse.who).into())
        }
    }
}

fn budget(remote: &Remote) -> Result<Option<RetryBudget>, Fault> {
    let Some(budget) = remote.table.budget else { return Ok(None) };
    let mut out = RawBudget { size: size_of::<RawBudget>() as u32, burst: 0, ratio: 0.0, per_second: 0.0 };
    // SAFETY: a function of its table with its own instance and a place for the answer.
    let code = remote.call_shared("budget", |_, this, error| unsafe { budget(this, &raw mut out, error) })?;
    if code != 0 {
        return Ok(None);
    }
    let burst = NonZeroU32::new(out.burst).and_then(|burst| RetryBudget::new(burst, out.ratio, out.per_second).ok());
    if burst.is_none() {
        remote.wrong("`budget` answers with one that cannot be");
    }
    Ok(burst)
}

impl RetryPolicy for Contained {
    fn decide(&self, failed: &FailedAttempt) -> RetryDecision {
        self.ask(|remote| decide(remote, failed), |policy| policy.decide(failed))
    }

    fn budget(&self) -> Option<RetryBudget> {
        self.ask(budget, |policy| policy.budget())
    }
}

impl fmt::Debug for Contained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.now() {
            Now::Plugin(remote) => remote.fmt(f),
            Now::BuiltIn(policy) => write!(f, "{policy:?} in place of {}", self.who),
        }
    }
}
