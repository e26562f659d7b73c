//! A batch stops when too many of its jobs failed.
//!
//! **What it is.** A [`FailureStrategy`] by rules in GNU parallel's grammar: `soon,fail=3` starts nothing more after three
//! failures and lets running jobs finish; `now,fail=10%` stops them too, once a tenth of **all** jobs of the batch failed.
//! Failed are jobs that ended `failed`, `timed_out` or `quarantined`.
//!
//! **When to use it.** Always; by default its only rule is `never`.
//!
//! **What it deliberately does not do.** It looks at no single error: a `fatal` one stops the batch whatever the rules say,
//! and that is the host's part. Conditions on successes, on all ends and on the rate of failure are not supported.
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

use batchmill_core::{BuildError, Directive, FailureStrategy, FinalResult, Problem, Status, StopReason};
use batchmill_plugin::{Registry, TypedFactory};
use rule::{Condition, Threshold, When};

pub use options::Options;
pub use rule::{Error as RuleError, Rule};

/// Makes `kind = "halt"` known.
pub fn register(registry: &mut Registry) {
    let build = |options: Options, _: &_| {
        let strategy = Halt::new(&options).map_err(BuildError::Options)?;
        Ok(Box::new(strategy) as Box<dyn FailureStrategy>)
    };
    registry.register::<dyn FailureStrategy>(
        TypedFactory::new("halt", "stops the batch when too many jobs failed, by GNU parallel's rules", build)
            .check(|options: &Options| options.parse().err().unwrap_or_default()),
    );
}

/// Stops a batch by rules.
#[derive(Debug)]
pub struct Halt {
    rules: Vec<Rule>,
    min_sample: u64,
    ended: u64,
    failed: u64,
}

impl Halt {
    /// A strategy with these options that has seen nothing yet, or everything that is wrong with them.
    pub fn new(options: &Options) -> Result<Self, Vec<Problem>> {
        Ok(Self { rules: options.parse()?, min_sample: options.min_sample, ended: 0, failed: 0 })
    }

    fn is_reached(&self, condition: Condition, total: u64) -> bool {
        let sampled = matches!(condition.threshold, Threshold::Count(_)) || self.ended >= self.min_sample;
        sampled && condition.threshold.is_reached(self.failed, total)
    }
}

impl FailureStrategy for Halt {
    fn on_result(&mut self, result: &FinalResult, total: u64) -> Directive {
        self.ended += 1;
        if matches!(result.status, Status::Failed | Status::TimedOut | Status::Quarantined) {
            self.failed += 1;
        }
        if self.failed == 0 {
            return Directive::Continue;
        }
        let reached = self.rules.iter().find_map(|rule| {
            let condition = rule.condition()?;
            self.is_reached(condition, total).then_some((rule, condition.when))
        });
        let Some((rule, when)) = reached else { return Directive::Continue };
        let reason = StopReason::new(rule.to_string(), format!("{} of {total} jobs failed", self.failed));
        match when {
            When::Soon => Directive::Soon(reason),
            When::Now => Directive::Now(reason),
        }
    }
}
