//! What `output` sees of a process.

use batchmill_core::{NodeError, StateData};
use batchmill_flow::expr::{Filter, Vars};
use batchmill_plugin::base64;
use serde_json::Value;

use crate::process::into_text;

/// What a process did.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) stdout: Vec<u8>,
    /// Whether stdout is only the beginning of what was written.
    pub(crate) truncated: bool,
    pub(crate) stderr: String,
    /// None of a process that was ended by a signal.
    pub(crate) exit_code: Option<u8>,
}

impl Outcome {
    /// The update that `filter` makes of it. Null or nothing is no update.
    pub(crate) fn update(self, filter: &Filter, vars: &Vars<'_>) -> Result<StateData, NodeError> {
        match filter.run_one(&self.into_object(), vars)? {
            Some(Value::Object(update)) => Ok(update),
            Some(Value::Null) | None => Ok(StateData::new()),
            Some(other) => {
                let message = format!("`output` yields {}; an update is an object", kind(&other));
                Err(NodeError::permanent("bad_update", message))
            }
        }
    }

    /// `{stdout, stderr, exit_code, json}`; `stdout_base64` and `stdout_truncated` only where they say something.
    fn into_object(self) -> StateData {
        let json = serde_json::from_slice(&self.stdout).unwrap_or(Value::Null);
        let mut object = self.into_written();
        object.insert("json".into(), json);
        object
    }

    /// The same without `json`, which only says it again.
    pub(crate) fn written(&self) -> StateData {
        self.clone().into_written()
    }

    fn into_written(self) -> StateData {
        let mut object = StateData::new();
        if std::str::from_utf8(&self.stdout).is_err() {
            object.insert("stdout_base64".into(), base64(&self.stdout).into());
        }
        if self.truncated {
            object.insert("stdout_truncated".into(), true.into());
        }
        object.insert("stdout".into(), into_text(self.stdout).into());
        object.insert("stderr".into(), self.stderr.into());
        object.insert("exit_code".into(), self.exit_code.into());
        object
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_keys_appear_only_where_they_say_something() {
        let outcome = |stdout: &[u8], truncated| {
            let outcome = Outcome { stdout: stdout.into(), truncated, stderr: "e".into(), exit_code: Some(2) };
            Value::Object(outcome.into_object())
        };
        assert_eq!(
            outcome(b" {\"a\": [1]}\n", false),
            serde_json::json!({"stdout": " {\"a\": [1]}\n", "stderr": "e", "exit_code": 2, "json": {"a": [1]}})
        );
        assert_eq!(
            outcome(b"a\xff", true),
            serde_json::json!({"stdout": "a\u{fffd}", "stderr": "e", "exit_code": 2, "json": null,
                "stdout_base64": "Yf8=", "stdout_truncated": true})
        );
    }
}
