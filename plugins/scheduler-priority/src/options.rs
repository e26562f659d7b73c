//! The settings of `priority`.

use std::time::Duration;

use batchmill_plugin::HumanDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How priorities and waiting are weighed against each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Options {
    /// How much later a job of one priority more may be queued and still start first. A job is overtaken only by one that
    /// was queued less than priority difference × `age_step` later. `0s` is strict priority: no ageing, so a job may wait
    /// for as long as more urgent ones come.
    pub age_step: HumanDuration,
}

impl Default for Options {
    fn default() -> Self {
        Self { age_step: HumanDuration::from_secs(60) }
    }
}

impl Options {
    /// The same with another `age_step`.
    #[must_use]
    pub fn age_step(mut self, age_step: Duration) -> Self {
        self.age_step = age_step.into();
        self
    }
}
