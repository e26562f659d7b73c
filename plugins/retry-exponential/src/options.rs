//! The settings of `exponential`.

use std::{collections::BTreeMap, num::NonZeroU32};

use batchmill_core::{ErrorClass, Problem, RetryBudget};
use batchmill_plugin::HumanDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most attempts that may be asked for: a policy is finite.
const ATTEMPTS_MAX: u32 = 1000;

/// How the wait grows from attempt to attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Backoff {
    /// Each wait is `factor` times the one before.
    #[default]
    Exponential,
    /// Every wait is `delay`.
    Fixed,
}

/// How much of a wait is left to chance, so that jobs that failed together do not come back together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Jitter {
    /// Nothing: waits are exact.
    None,
    /// All of it: anywhere between zero and the wait.
    #[default]
    Full,
    /// Half of it: anywhere between half the wait and the wait.
    Equal,
}

/// The error classes that can be retried. `fatal` stops the batch and `cancelled` is a decision: neither is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RetryClass {
    /// May pass by itself.
    Transient,
    /// Passes after a delay that the other side names.
    Recoverable,
    /// The same input fails again. Not retried unless listed.
    Permanent,
    /// A time limit was reached.
    Timeout,
    /// Memory, output size or another resource ran out.
    Resource,
    /// A panic, or a process ended by a signal.
    Crash,
}

impl From<RetryClass> for ErrorClass {
    fn from(class: RetryClass) -> Self {
        match class {
            RetryClass::Transient => Self::Transient,
            RetryClass::Recoverable => Self::Recoverable,
            RetryClass::Permanent => Self::Permanent,
            RetryClass::Timeout => Self::Timeout,
            RetryClass::Resource => Self::Resource,
            RetryClass::Crash => Self::Crash,
        }
    }
}

/// When a failed attempt is repeated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Options {
    /// Attempts in all, the first one counted: 1 means no retry. 1 to 1000.
    #[schemars(range(min = 1, max = 1000))]
    pub max_attempts: u32,
    /// How the wait grows: `exponential` or `fixed`.
    pub backoff: Backoff,
    /// The first wait; exact with `jitter = "none"`.
    pub delay: HumanDuration,
    /// What an exponential wait is multiplied with from attempt to attempt. 1 to 100.
    #[schemars(range(min = 1.0, max = 100.0))]
    pub factor: f64,
    /// No wait is longer, unless the other side asks for more.
    pub max_delay: HumanDuration,
    /// How much of a wait is left to chance: `none`, `full` or `equal`.
    pub jitter: Jitter,
    /// The error classes that are retried.
    pub on: Vec<RetryClass>,
    /// Other settings for some classes, for example `{ timeout = { max_attempts = 2, delay = "1s" } }`. What is not given
    /// is as above. A class must be listed in `on` to be retried.
    pub classes: BTreeMap<RetryClass, ClassOptions>,
    /// What bounds the retries of a batch as a whole; off with `burst = 0`. Not for single nodes.
    pub budget: BudgetOptions,
}

/// What bounds the retries of a batch as a whole: a bucket of tokens, one a retry. A retry that finds none waits until
/// time or success brings one; it never fails for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct BudgetOptions {
    /// The most tokens the bucket holds; it starts full. 0 means no budget.
    pub burst: u32,
    /// Tokens for each job that succeeds at its first attempt; a retry that succeeds returns its own. 0 to 100.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub ratio: f64,
    /// Tokens that come with time. 0.001 to 1,000,000.
    #[schemars(range(min = 0.001, max = 1_000_000.0))]
    pub per_second: f64,
}

impl Default for BudgetOptions {
    fn default() -> Self {
        Self { burst: 0, ratio: 0.1, per_second: 1.0 }
    }
}

impl BudgetOptions {
    /// The budget, or everything that is wrong with it.
    pub fn budget(&self) -> Result<Option<RetryBudget>, Vec<Problem>> {
        let burst = NonZeroU32::new(self.burst);
        let budget = RetryBudget::new(burst.unwrap_or(NonZeroU32::MIN), self.ratio, self.per_second)?;
        match burst {
            Some(_) => Ok(Some(budget)),
            None if *self == Self::default() => Ok(None),
            None => {
                let message = "without `burst` there is no budget, and `ratio` and `per_second` mean nothing";
                Err(vec![Problem::new(["burst"], message)])
            }
        }
    }
}

/// What differs for one error class.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ClassOptions {
    /// Attempts in all after which a failure of this class is final. 1 to 1000.
    #[schemars(range(min = 1, max = 1000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// How the wait grows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// The first wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<HumanDuration>,
    /// What an exponential wait is multiplied with. 1 to 100.
    #[schemars(range(min = 1.0, max = 100.0))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub factor: Option<f64>,
    /// No wait is longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_delay: Option<HumanDuration>,
    /// How much of a wait is left to chance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Jitter>,
}

impl Default for Options {
    fn default() -> Self {
        use RetryClass::{Crash, Recoverable, Resource, Timeout, Transient};
        Self {
            max_attempts: 3,
            backoff: Backoff::default(),
            delay: HumanDuration::from_millis(200),
            factor: 2.0,
            max_delay: HumanDuration::from_secs(30),
            jitter: Jitter::default(),
            on: vec![Transient, Recoverable, Timeout, Resource, Crash],
            classes: BTreeMap::new(),
            budget: BudgetOptions::default(),
        }
    }
}

impl Options {
    /// The defaults with other attempts.
    pub fn with_max_attempts(max_attempts: u32) -> Self {
        Self { max_attempts, ..Self::default() }
    }

    /// Everything that types do not say; empty when the options are good.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        check_attempts(self.max_attempts, &mut problems);
        check_factor(self.factor, &mut problems);
        check_delays(self.delay, self.max_delay, "max_delay", &mut problems);
        for (class, settings) in &self.classes {
            let name = ErrorClass::from(*class).as_str();
            let below = |problem: Problem| problem.below(name).below("classes");
            problems.extend(self.class_problems(settings).into_iter().map(below));
            if !self.on.contains(class) {
                problems.push(Problem::new(["classes", name], format!("`{name}` is not retried: list it in `on`")));
            }
        }
        problems.extend(self.budget.budget().err().unwrap_or_default().into_iter().map(|p| p.below("budget")));
        problems
    }

    fn class_problems(&self, settings: &ClassOptions) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(attempts) = settings.max_attempts {
            check_attempts(attempts, &mut problems);
        }
        if let Some(factor) = settings.factor {
            check_factor(factor, &mut problems);
        }
        // If neither is given here, the contradiction has been reported above.
        if settings.delay.is_some() || settings.max_delay.is_some() {
            let place = if settings.max_delay.is_some() { "max_delay" } else { "delay" };
            let (delay, max) = (settings.delay.unwrap_or(self.delay), settings.max_delay.unwrap_or(self.max_delay));
            check_delays(delay, max, place, &mut problems);
        }
        problems
    }
}

fn check_attempts(attempts: u32, problems: &mut Vec<Problem>) {
    if !(1..=ATTEMPTS_MAX).contains(&attempts) {
        let message = format!("must be 1 to {ATTEMPTS_MAX}, the first try counted, found {attempts}");
        problems.push(Problem::new(["max_attempts"], message));
    }
}

fn check_factor(factor: f64, problems: &mut Vec<Problem>) {
    if !(1.0..=100.0).contains(&factor) {
        problems.push(Problem::new(["factor"], format!("must be 1 to 100, found {factor}")));
    }
}

fn check_delays(delay: HumanDuration, max: HumanDuration, place: &str, problems: &mut Vec<Problem>) {
    if delay > max {
        let message = format!("`max_delay` ({max}) must not be less than `delay` ({delay})");
        problems.push(Problem::new([place], message));
    }
}
