//! `--raw`: what commands wrote instead of records, whole, in order of completion.

use std::{
    fmt,
    fs::File,
    io::{self, Write},
    os::fd::AsFd,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use batchmill_core::{BatchId, JobResult, ResultSink, SinkError};
use serde_json::Value;

use crate::{problems::Refusal, screen::Screen};

/// Prints the stdout of each command on stdout, then its stderr on stderr, as GNU parallel does: of attempts that are
/// repeated only the last. Not for another try after an error: what is out is out.
pub(super) struct RawOutput {
    stdout: Arc<Mutex<File>>,
    screen: Screen,
}

impl RawOutput {
    pub(super) fn open(screen: &Screen) -> Result<Self, Refusal> {
        let stdout = io::stdout().as_fd().try_clone_to_owned().map(File::from);
        let stdout = stdout.map_err(|error| Refusal::storage(format!("stdout: {error}")))?;
        Ok(Self { stdout: Arc::new(Mutex::new(stdout)), screen: screen.clone() })
    }
}

impl fmt::Debug for RawOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawOutput").finish_non_exhaustive()
    }
}

#[async_trait]
impl ResultSink for RawOutput {
    async fn write(&mut self, _: &BatchId, results: &[JobResult]) -> Result<(), SinkError> {
        let written: Vec<Written> = results.iter().filter_map(Written::of).collect();
        let (stdout, screen) = (self.stdout.clone(), self.screen.clone());
        let task = tokio::task::spawn_blocking(move || {
            let mut stdout = stdout.lock().unwrap_or_else(PoisonError::into_inner);
            for Written { out, err } in written {
                stdout.write_all(&out)?;
                screen.write(&err);
            }
            Ok(())
        });
        match task.await {
            Ok(done) => done.map_err(|error: io::Error| SinkError::io("stdout", error)),
            Err(error) => Err(SinkError::permanent(format!("the writing thread ended early: {error}"))),
        }
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// What one command wrote.
#[derive(Debug, PartialEq)]
struct Written {
    out: Vec<u8>,
    err: String,
}

impl Written {
    /// Nothing of a job that never ran.
    fn of(result: &JobResult) -> Option<Self> {
        let failed = || result.error.as_ref().and_then(|error| error.output.as_deref());
        let output = result.output.as_ref().or_else(failed)?;
        let text = |key: &str| output.get(key).and_then(Value::as_str);
        let out = match text("stdout_base64") {
            Some(coded) => decoded(coded),
            None => text("stdout")?.into(),
        };
        Some(Self { out, err: text("stderr").unwrap_or_default().to_owned() })
    }
}

/// Base64 of RFC 4648 §4, as the node writes it.
fn decoded(coded: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut bytes, mut bits, mut held) = (Vec::with_capacity(coded.len() / 4 * 3), 0_u32, 0);
    for digit in coded.bytes().filter_map(digit) {
        bits = bits << 6 | u32::from(digit);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use batchmill_core::{ErrorClass, JobError, JobId, Status};
    use serde_json::json;

    use super::*;

    #[test]
    fn base64_reads_back() {
        for (coded, plain) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg==", "foob")] {
            assert_eq!(decoded(coded), plain.as_bytes());
        }
        assert_eq!(decoded("//79AA=="), [0xff, 0xfe, 0xfd, 0]);
    }

    #[test]
    fn what_a_failed_command_wrote_is_printed_too() {
        let mut result = JobResult::new(JobId::from(1), 0, Status::Failed);
        assert_eq!(Written::of(&result), None);
        let mut error = JobError::new(ErrorClass::Transient, "exit_status", "failed");
        error.output = Some(Box::new(json!({"stdout": "o", "stderr": "e", "exit_code": 1})));
        result.error = Some(Box::new(error));
        assert_eq!(Written::of(&result), Some(Written { out: b"o".into(), err: "e".into() }));
    }
}
