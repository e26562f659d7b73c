//! The settings of `fixed`: there are none.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A limit that stays has no options: an empty table is the only one it takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Options {}
