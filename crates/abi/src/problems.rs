//! Problems of options as JSON, so that all of them cross the boundary with their places.

use batchmill_core::Problem;
use serde_json::{Value, json};

/// A list of all of them.
pub(crate) fn to_json(problems: &[Problem]) -> String {
    let list: Vec<Value> = problems
        .iter()
        .map(|problem| {
            json!({
                "path": problem.path,
                "offset": problem.offset,
                "at_key": problem.at_key,
                "message": problem.message,
            })
        })
        .collect();
    Value::Array(list).to_string()
}

/// A refusal without a reason is a refusal.
#[cfg(feature = "host")]
const UNSAID: &str = "the plugin refuses the options and does not say why";

/// What the other side wrote; a text that is no such list is one problem of the whole.
#[cfg(feature = "host")]
pub(crate) fn from_json(text: &str) -> Vec<Problem> {
    let whole = |message: &str| vec![Problem::new([""; 0], message)];
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Array(list)) if !list.is_empty() => list.iter().map(one).collect(),
        Ok(Value::Array(_)) => whole(UNSAID),
        _ if text.trim().is_empty() => whole(UNSAID),
        _ => whole(text),
    }
}

#[cfg(feature = "host")]
fn one(value: &Value) -> Problem {
    let path = value["path"].as_array().into_iter().flatten().map(|key| match key {
        Value::String(key) => key.clone(),
        other => other.to_string(),
    });
    let message = value["message"].as_str().filter(|said| !said.trim().is_empty());
    let message = message.map_or_else(|| value.to_string(), str::to_owned);
    let mut problem = Problem::new(path, message);
    problem.at_key = value["at_key"].as_bool().unwrap_or(false);
    problem.offset = value["offset"].as_u64().and_then(|offset| usize::try_from(offset).ok());
    problem
}

#[cfg(all(test, feature = "host"))]
mod tests {
    use super::*;

    #[test]
    fn problems_come_back_as_they_were() {
        let problems = [Problem::unknown_key(["a", "0"], &["b"]), Problem::new([""; 0], "whole \"x\"").at_offset(3)];
        assert_eq!(from_json(&to_json(&problems)), problems);
        assert_eq!(from_json("not JSON")[0].message, "not JSON");
        for silent in ["[]", "", " \n"] {
            assert_eq!(from_json(silent), [Problem::new([""; 0], UNSAID)], "{silent:?}");
        }
    }
}
