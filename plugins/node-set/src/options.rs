//! The keys of a `set` node.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The keys of a `set` node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// A jq expression over the state that yields the update: an object, null, or nothing.
    #[serde(deserialize_with = "batchmill_plugin::expression")]
    pub set: String,
}
