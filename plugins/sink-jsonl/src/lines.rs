//! Results as text: one JSON object a line.

use batchmill_core::{BatchId, JobResult, SinkError};

/// Most of a result without output is 300 bytes of field names, ids and times.
const LINE_BYTES_GUESS: usize = 512;

/// The lines of `results`, each with its end.
pub(crate) fn encode(batch: &BatchId, results: &[JobResult]) -> Result<Vec<u8>, SinkError> {
    let mut lines = Vec::with_capacity(results.len() * LINE_BYTES_GUESS);
    for result in results {
        serde_json::to_writer(&mut lines, &result.to_record(batch)).map_err(|error| {
            SinkError::permanent(format!("the result of job {} is no JSON: {error}", result.job_id))
        })?;
        lines.push(b'\n');
    }
    Ok(lines)
}
