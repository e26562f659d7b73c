//! A time limit that cannot be zero.

use std::{borrow::Cow, fmt, time::Duration};

use batchmill_plugin::HumanDuration;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, de};

/// A time limit longer than zero. Zero is refused: some tools read it as *no limit*, some as *at once*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Timeout(HumanDuration);

/// A time limit of zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a timeout must be longer than 0s")]
pub struct ZeroTimeout;

impl Timeout {
    /// A limit of `duration`.
    pub fn new(duration: Duration) -> Result<Self, ZeroTimeout> {
        if duration.is_zero() { Err(ZeroTimeout) } else { Ok(Self(duration.into())) }
    }

    /// The limit.
    pub fn get(self) -> Duration {
        self.0.into()
    }

    pub(crate) const THIRTY_SECONDS: Self = Self(HumanDuration::from_secs(30));
    pub(crate) const ONE_MINUTE: Self = Self(HumanDuration::from_secs(60));
    pub(crate) const FIVE_MINUTES: Self = Self(HumanDuration::from_secs(300));
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Timeout {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let duration = HumanDuration::deserialize(deserializer)?;
        Self::new(duration.into()).map_err(de::Error::custom)
    }
}

impl JsonSchema for Timeout {
    fn schema_name() -> Cow<'static, str> {
        "Timeout".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        HumanDuration::json_schema(generator)
    }
    fn inline_schema() -> bool {
        true
    }
}
