//! A job as it is accepted.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{JobId, LimitKeys, SharePath, StateData, Tenant, WallTime};

/// How urgent a job is, 0–255. **Larger is sooner**, and `Ord` says the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Priority(pub u8);

/// A number that is no priority.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("priority must be a whole number from 0 to 255, found {0}")]
pub struct BadPriority(String);

impl TryFrom<&serde_json::Value> for Priority {
    type Error = BadPriority;
    /// Never clamps: 256 and -1 are errors.
    fn try_from(value: &serde_json::Value) -> Result<Self, BadPriority> {
        value.as_u64().and_then(|n| u8::try_from(n).ok()).map(Self).ok_or_else(|| BadPriority(value.to_string()))
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One job of a batch: an input, and how it wants to be treated.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Job {
    /// Names it within its batch.
    pub id: JobId,
    /// What its flow starts from.
    pub input: StateData,
    /// Larger is sooner.
    pub priority: Priority,
    /// Who it belongs to.
    pub tenant: Tenant,
    /// Its weight in fair share; 1 unless given. Finite and above 0.
    pub cost: f64,
    /// Bounds each of its attempts; the host's limit where absent.
    pub timeout: Option<Duration>,
    /// Its own idempotency key; made from batch and id where absent.
    pub key: Option<String>,
    /// Not before this moment.
    pub after: Option<WallTime>,
    /// Ended by this moment, or timed out.
    pub deadline: Option<WallTime>,
}

impl Job {
    /// A job with defaults for everything but id and input.
    pub fn new(id: JobId, input: StateData) -> Self {
        Self {
            id,
            input,
            priority: Priority::default(),
            tenant: Tenant::default(),
            cost: 1.0,
            timeout: None,
            key: None,
            after: None,
            deadline: None,
        }
    }
}

/// What decisions need of a job: its keys, never its input.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct JobKeys {
    /// Larger is sooner.
    pub priority: Priority,
    /// Who it belongs to.
    pub tenant: Tenant,
    /// Its weight in fair share: finite and above 0.
    pub cost: f64,
    /// Bounds each of its attempts; the batch's limit where absent.
    pub timeout: Option<Duration>,
    /// Not before this moment.
    pub after: Option<WallTime>,
    /// Ended by this moment, or timed out.
    pub deadline: Option<WallTime>,
    /// Whose share of the host it counts against; its tenant's where absent.
    pub share: Option<SharePath>,
    /// What the limits of the host make of it.
    pub limits: LimitKeys,
}

impl Default for JobKeys {
    fn default() -> Self {
        let (priority, tenant) = (Priority::default(), Tenant::default());
        let limits = LimitKeys::NONE;
        Self { priority, tenant, cost: 1.0, timeout: None, after: None, deadline: None, share: None, limits }
    }
}

impl Job {
    /// Its keys, but for those that a host makes by its config.
    pub fn keys(&self) -> JobKeys {
        JobKeys {
            priority: self.priority,
            tenant: self.tenant.clone(),
            cost: self.cost,
            timeout: self.timeout,
            after: self.after,
            deadline: self.deadline,
            share: None,
            limits: LimitKeys::NONE,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn priorities_are_never_clamped() {
        assert_eq!(Priority::try_from(&json!(255)), Ok(Priority(255)));
        for bad in [json!(256), json!(-1), json!(1.5), json!("7"), json!(null)] {
            assert!(Priority::try_from(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn larger_is_sooner() {
        assert!(Priority(9) > Priority(1));
    }
}
