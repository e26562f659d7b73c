//! What batchmill wrote, as far as the tables show it.

use serde_json::Value;

/// The results of an audit.
#[derive(Debug, Default)]
pub(super) struct Audited {
    /// Crates that were looked at, in the order in which they finished.
    pub(super) crates: Vec<Finding>,
    /// How many ended otherwise than `succeeded`.
    pub(super) unfinished: usize,
}

/// What one crate is like.
#[derive(Debug, Default, Clone)]
pub(super) struct Finding {
    pub(super) name: String,
    pub(super) licence: String,
    pub(super) verdict: String,
    pub(super) lines: u64,
    pub(super) uses: u64,
    pub(super) per_1000: u64,
    /// `SAFETY` comments; none were looked for where nothing is unsafe.
    pub(super) reasons: u64,
}

impl Audited {
    /// Reads results, one JSON object a line.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut audited = Self::default();
        for (index, line) in text.lines().enumerate() {
            let result: Value = serde_json::from_str(line).map_err(|error| format!("line {}: {error}", index + 1))?;
            if result["status"] == "succeeded" {
                let finding = Finding::parse(&result).ok_or_else(|| format!("line {}: unknown output", index + 1))?;
                audited.crates.push(finding);
            } else {
                audited.unfinished += 1;
            }
        }
        Ok(audited)
    }
}

impl Finding {
    fn parse(result: &Value) -> Option<Self> {
        let output = &result["output"];
        Some(Self {
            name: result["job_id"].as_str()?.to_owned(),
            licence: output["licence"].as_str()?.to_owned(),
            verdict: output["verdict"].as_str()?.to_owned(),
            lines: output["lines"].as_u64()?,
            uses: output["unsafe"].as_u64()?,
            per_1000: output["per_1000"].as_u64()?,
            reasons: output["reasons"].as_u64().unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAN: &str = r#"{"job_id":"a-1","status":"succeeded","output":{"licence":"MIT","verdict":"clean","lines":9,"unsafe":0,"per_1000":0,"reasons":null,"sha256":"x"}}"#;

    #[test]
    fn results_are_read_in_their_order() {
        let audited = Audited::read(&format!("{}\n{CLEAN}\n", r#"{"job_id":"b","status":"failed"}"#)).unwrap();
        assert_eq!((audited.crates.len(), audited.unfinished), (1, 1));
        assert_eq!(audited.crates[0].name, "a-1");
        assert_eq!(audited.crates[0].lines, 9);
    }

    #[test]
    fn what_is_no_result_of_this_flow_is_an_error() {
        assert_eq!(Audited::read(&CLEAN.replace("\"lines\"", "\"line\"")).unwrap_err(), "line 1: unknown output");
        assert!(Audited::read(&format!("{CLEAN}\nx\n")).unwrap_err().starts_with("line 2: "));
    }
}
