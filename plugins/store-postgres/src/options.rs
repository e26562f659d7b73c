//! The settings of `postgres`.

use std::num::NonZeroU16;

use batchmill_core::Problem;
use batchmill_plugin::HumanDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// Where checkpoints are kept, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Options {
    /// Where the connection string is: { env = "NAME" } or { file = "PATH" }. It is
    /// `postgres://user:password@host:5432/database`, or `host=/run/postgresql user=me dbname=jobs`. Required.
    pub url: Secret,
    /// The schema that holds the tables; it is made where it is missing.
    #[serde(default = "batchmill")]
    pub schema: String,
    /// How many connections are open at most: 1 to 64. Jobs are spread over them.
    #[serde(default = "four")]
    pub connections: NonZeroU16,
    /// Whether every checkpoint of a job is kept until its end, not only the latest.
    #[serde(default)]
    pub history: bool,
    /// The longest time that connecting may take.
    #[serde(default = "ten_seconds")]
    pub connect_timeout: HumanDuration,
    /// The longest time that a read or a write may take.
    #[serde(default = "thirty_seconds")]
    pub timeout: HumanDuration,
}

const CONNECTIONS_MAX: u16 = 64;
/// PostgreSQL cuts longer names.
const NAME_BYTES_MAX: usize = 63;

fn batchmill() -> String {
    "batchmill".to_owned()
}

fn four() -> NonZeroU16 {
    NonZeroU16::new(4).expect("not zero")
}

fn ten_seconds() -> HumanDuration {
    HumanDuration::from_secs(10)
}

fn thirty_seconds() -> HumanDuration {
    HumanDuration::from_secs(30)
}

impl Options {
    /// The connection string is in the environment variable `variable`; the rest as by default.
    pub fn from_env(variable: impl Into<String>) -> Self {
        Self::new(Secret { env: Some(variable.into()), file: None })
    }

    /// The connection string is in a file; the rest as by default.
    pub fn from_file(path: impl Into<std::path::PathBuf>) -> Self {
        Self::new(Secret { env: None, file: Some(path.into()) })
    }

    fn new(url: Secret) -> Self {
        Self {
            url,
            schema: batchmill(),
            connections: four(),
            history: false,
            connect_timeout: ten_seconds(),
            timeout: thirty_seconds(),
        }
    }

    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        if let Some(why) = self.url.problem() {
            found.push(Problem::new(["url"], why));
        }
        if self.schema.is_empty() || self.schema.len() > NAME_BYTES_MAX || self.schema.contains('\0') {
            found.push(Problem::new(["schema"], format!("must be a name of 1 to {NAME_BYTES_MAX} bytes")));
        } else if self.schema.starts_with("pg_") || self.schema == "information_schema" {
            found.push(Problem::new(["schema"], "belongs to PostgreSQL itself: choose another name"));
        }
        if self.connections.get() > CONNECTIONS_MAX {
            found.push(Problem::new(["connections"], format!("must be 1 to {CONNECTIONS_MAX}")));
        }
        for (key, timeout) in [("connect_timeout", self.connect_timeout), ("timeout", self.timeout)] {
            if timeout.0.as_millis() == 0 || i32::try_from(timeout.0.as_millis()).is_err() {
                found.push(Problem::new([key], "must be 1ms to 24 days"));
            }
        }
        found
    }
}
