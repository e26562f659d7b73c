//! Options as config has them.

use batchmill_core::Options;
use serde_json::Value;

/// The options that a JSON object has.
///
/// # Panics
/// If it is no object.
#[track_caller]
pub fn options(json: Value) -> Options {
    match json {
        Value::Object(options) => options,
        other => panic!("options are an object, not {other}"),
    }
}
