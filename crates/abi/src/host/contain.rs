//! What becomes of a plugin that fails.

use std::{sync::Arc, time::Duration};

use batchmill_core::{Factory, FailureStrategy, Governor, RetryPolicy, Scheduler};

/// What happens when an instance panics or breaks its contract so that it cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFault {
    /// What depends on it fails: the host ends and leaves what is not done to a resume; a sink is not written to any more.
    #[default]
    Fail,
    /// A fresh instance takes its place, so many times at most.
    Recreate {
        /// How often.
        max: u32,
    },
    /// A built-in of the same kind takes its place.
    Fallback,
}

/// The built-ins that take the place of a plugin's instances.
#[derive(Clone, Default)]
pub struct Fallbacks {
    /// For its schedulers.
    pub scheduler: Option<Arc<dyn Factory<dyn Scheduler>>>,
    /// For its retry policies.
    pub retry: Option<Arc<dyn Factory<dyn RetryPolicy>>>,
    /// For its failure strategies.
    pub failure: Option<Arc<dyn Factory<dyn FailureStrategy>>>,
    /// For its governors.
    pub governor: Option<Arc<dyn Factory<dyn Governor>>>,
}

/// How a plugin is contained.
#[derive(Clone)]
pub struct Containment {
    /// When an instance fails.
    pub on_fault: OnFault,
    /// Of [`OnFault::Fallback`].
    pub fallbacks: Fallbacks,
    /// How long a call of a sink may take, and the making of any instance.
    pub call_timeout: Duration,
    /// It hung under an earlier host: instances are those of the fallback from the beginning.
    pub is_set_aside: bool,
}

impl Default for Containment {
    fn default() -> Self {
        Self {
            on_fault: OnFault::Fail,
            fallbacks: Fallbacks::default(),
            call_timeout: Duration::from_secs(60),
            is_set_aside: false,
        }
    }
}
