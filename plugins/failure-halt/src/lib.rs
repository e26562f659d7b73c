//! A batch stops, or pauses, when too many of its jobs failed, or enough of them succeeded or ended.
//!
//! **What it is.** A [`FailureStrategy`] by rules in GNU parallel's grammar, and more: `soon,fail=3` starts nothing more
//! after three failures and lets running jobs finish; `now,fail=10%` stops them too, once a tenth of **all** jobs of the
//! batch failed; `soon,success=1` and `soon,done=50%` stop a batch that has done enough; `pause,fail_rate=20%,window=100`
//! asks a person. Failed are jobs that ended `failed`, `timed_out` or `quarantined`.
//!
//! **When to use it.** Always; by default its only rule is `never`.
//!
//! **What it deliberately does not do.** It looks at no single error: a `fatal` one stops the batch whatever the rules say,
//! and that is the host's part. It knows no time: windows are of ends, not of minutes, so that a replay comes to the same
//! answers.
//!
//! ```
//! use batchmill_core::{Directive, FailureStrategy, FinalResult, MonoTime, Status, StopReason};
//! use batchmill_failure_halt::{Halt, Options, Rule};
//!
//! let rule: Rule = "soon,fail=2".parse().unwrap();
//! let mut halt = Halt::new(&Options::with_rules([&rule])).unwrap();
//! let ended = |status| FinalResult::new(status, None, MonoTime::ZERO);
//! assert_eq!(halt.on_result(&ended(Status::Failed), 10), Directive::Continue);
//! assert_eq!(halt.on_result(&ended(Status::Succeeded), 10), Directive::Continue);
//! let reason = StopReason::new("soon,fail=2", "2 of 10 jobs failed");
//! assert_eq!(halt.on_result(&ended(Status::TimedOut), 10), Directive::Soon(reason));
//! ```

mod options;
mod rule;
mod watch;

use batchmill_core::{BuildError, Directive, FailureStrategy, FinalResult, Problem, StopReason};
use batchmill_plugin::{Registry, TypedFactory};
use rule::{Action, Counted};
use watch::{End, Watch};

pub use options::Options;
pub use rule::{Error as RuleError, Fault as RuleFault, Place as RulePlace, Rule, RuleSpec};

/// Makes `kind = "halt"` known.
pub fn register(registry: &mut Registry) {
    let build = |options: Options, _: &_| {
        let strategy = Halt::new(&options).map_err(BuildError::Options)?;
        Ok(Box::new(strategy) as Box<dyn FailureStrategy>)
    };
    registry.register::<dyn FailureStrategy>(
        TypedFactory::new("halt", "stops or pauses the batch by GNU parallel's rules, and more", build)
            .check(|options: &Options| options.parse().err().unwrap_or_default()),
    );
}

batchmill_plugin::export_plugin!(register, [failure]);

/// Stops or pauses a batch by rules.
#[derive(Debug)]
pub struct Halt {
    watches: Vec<Watch>,
    heard: u64,
}

impl Halt {
    /// A strategy with these options that has seen nothing yet, or everything that is wrong with them.
    pub fn new(options: &Options) -> Result<Self, Vec<Problem>> {
        let watches = options.parse()?.into_iter().filter_map(|rule| Watch::new(rule, options.min_sample));
        Ok(Self { watches: watches.collect(), heard: 0 })
    }
}

impl FailureStrategy for Halt {
    fn on_result(&mut self, result: &FinalResult, total: u64) -> Directive {
        self.heard += 1;
        let last = self.heard >= total;
        // Every rule sees every end, also those that come after one that is reached.
        if let Some(end) = End::of(result) {
            self.watches.iter_mut().for_each(|watch| watch.see(end));
        }
        let reached = |watch: &&mut Watch| watch.is_reached(total) && (!last || watch.condition().heeds_the_last_job());
        match self.watches.iter_mut().find(reached) {
            Some(watch) => directive(watch, total),
            None => Directive::Continue,
        }
    }
}

fn directive(watch: &mut Watch, total: u64) -> Directive {
    let reason = StopReason::new(watch.rule().to_string(), watch.message(total));
    match (watch.condition().action, watch.condition().counted) {
        (Action::Pause, _) => {
            watch.pause();
            Directive::Pause(reason)
        }
        (Action::Soon, Counted::Succeeded) => Directive::Soon(reason.as_success()),
        (Action::Now, Counted::Succeeded) => Directive::Now(reason.as_success()),
        (Action::Soon, _) => Directive::Soon(reason),
        (Action::Now, _) => Directive::Now(reason),
    }
}
