//! Failed attempts are repeated after growing waits.
//!
//! **What it is.** A [`RetryPolicy`]: exponential or fixed waits with a cap and jitter, a finite number of attempts, and
//! settings of their own for single error classes. A delay that the other side names (`Retry-After`) is a lower bound: it
//! is kept even where it is longer than `max_delay`, since coming back earlier would only be refused again.
//!
//! **When to use it.** Always; it is the default. `max_attempts = 1` means no retry.
//!
//! **What it deliberately does not do.** It does not wait and it counts nothing: it answers how long, and names the budget
//! that bounds the retries of a whole batch; timer and tokens are the host's.
//!
//! ```
//! use std::time::Duration;
//!
//! use batchmill_core::{Draw, ErrorClass, FailedAttempt, RetryDecision, RetryPolicy};
//! use batchmill_retry_exponential::{Exponential, Jitter, Options};
//!
//! let mut options = Options::with_max_attempts(3);
//! options.jitter = Jitter::None;
//! let policy = Exponential::new(&options).unwrap();
//! let failed = |attempt, class| FailedAttempt::new(attempt, class, Duration::ZERO, None, Draw::from_bits(0));
//!
//! assert_eq!(policy.decide(&failed(1, ErrorClass::Timeout)), RetryDecision::After(Duration::from_millis(200)));
//! assert_eq!(policy.decide(&failed(2, ErrorClass::Timeout)), RetryDecision::After(Duration::from_millis(400)));
//! assert_eq!(policy.decide(&failed(3, ErrorClass::Timeout)), RetryDecision::GiveUp("3 of 3 attempts used".into()));
//! assert_eq!(
//!     policy.decide(&failed(1, ErrorClass::Permanent)),
//!     RetryDecision::GiveUp("class permanent is not retried".into()),
//! );
//! ```

mod options;
mod wait;

use batchmill_core::{BuildError, ErrorClass, FailedAttempt, Problem, RetryBudget, RetryDecision, RetryPolicy};
use batchmill_plugin::{Registry, TypedFactory};
use wait::Settings;

pub use options::{Backoff, BudgetOptions, ClassOptions, Jitter, Options, RetryClass};

/// Makes `kind = "exponential"` known.
pub fn register(registry: &mut Registry) {
    let build = |options: Options, _: &_| {
        let policy = Exponential::new(&options).map_err(BuildError::Options)?;
        Ok(Box::new(policy) as Box<dyn RetryPolicy>)
    };
    registry.register::<dyn RetryPolicy>(
        TypedFactory::new("exponential", "repeats failed attempts after growing waits, per error class", build)
            .check(Options::problems),
    );
}

batchmill_plugin::export_plugin!(register, [retry]);

/// Retries after exponential or fixed waits.
#[derive(Debug, Clone)]
pub struct Exponential {
    /// By [`ErrorClass`]; a class without settings is not retried.
    by_class: [Option<Settings>; ErrorClass::ALL.len()],
    budget: Option<RetryBudget>,
}

impl Exponential {
    /// A policy with these options, or everything that is wrong with them.
    pub fn new(options: &Options) -> Result<Self, Vec<Problem>> {
        let problems = options.problems();
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut by_class = [const { None }; ErrorClass::ALL.len()];
        for class in &options.on {
            let own = options.classes.get(class).cloned().unwrap_or_default();
            by_class[ErrorClass::from(*class) as usize] = Some(Settings::new(options, &own));
        }
        Ok(Self { by_class, budget: options.budget.budget()? })
    }
}

impl Default for Exponential {
    /// The default options.
    fn default() -> Self {
        Self::new(&Options::default()).expect("the default options are good")
    }
}

impl RetryPolicy for Exponential {
    fn decide(&self, failed: &FailedAttempt) -> RetryDecision {
        let Some(settings) = self.by_class.get(failed.class as usize).and_then(Option::as_ref) else {
            return RetryDecision::GiveUp(format!("class {} is not retried", failed.class).into());
        };
        match (failed.attempt, settings.max_attempts) {
            (used, max) if used < max => {}
            (used, max) if used == max => {
                return RetryDecision::GiveUp(format!("{used} of {max} attempts used").into());
            }
            // Earlier failures were of classes that allow more.
            (used, max) => {
                let reason = format!("{used} attempts used, class {} allows {max}", failed.class);
                return RetryDecision::GiveUp(reason.into());
            }
        }
        let wait = settings.wait(failed.attempt, failed.draw);
        RetryDecision::After(failed.hint.map_or(wait, |hint| hint.max(wait)))
    }

    fn budget(&self) -> Option<RetryBudget> {
        self.budget
    }
}
