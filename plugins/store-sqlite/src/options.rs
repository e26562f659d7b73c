//! The settings of `sqlite`: none. What a batch promises is said by `--durability`, where it lies by `--state`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The embedded store has no options.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Options {}
