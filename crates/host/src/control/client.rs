//! The asking side: a command that wants something of a running batch.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use batchmill_core::JobId;

use super::{
    Answer, CancelledJob, Request,
    protocol::{JOBS_MAX, LINE_MAX},
    socket,
};

/// The host answers at once, or looks at some million jobs before.
const PATIENCE: Duration = Duration::from_secs(5);

/// A census has a few lines, an answer about jobs a line of ours for each that was named.
const ANSWER_MAX: u64 = 4 * LINE_MAX as u64;

/// A connection to the host of a batch.
#[derive(Debug)]
pub(crate) struct Client {
    stream: BufReader<UnixStream>,
}

/// Why the host was not reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreachable {
    /// No host has the batch, or it has no socket.
    #[error("no host listens")]
    NobodyThere,
    #[error("its host does not answer: {0}")]
    Failed(io::Error),
}

impl From<io::Error> for Unreachable {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotFound, TimedOut, WouldBlock};
        match error.kind() {
            // It is stopped, or the machine is.
            TimedOut | WouldBlock => Self::Failed(io::Error::new(TimedOut, format!("no answer within {PATIENCE:?}"))),
            // It has left, or it leaves just now.
            NotFound | ConnectionRefused | ConnectionReset | BrokenPipe => Self::NobodyThere,
            _ => Self::Failed(error),
        }
    }
}

impl Client {
    /// Connects to the host of the batch in `folder`.
    pub(crate) fn connect(folder: &Path) -> Result<Self, Unreachable> {
        Ok(Self { stream: BufReader::new(socket::reach(folder, PATIENCE)?) })
    }

    /// Asks, and waits for the answer.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Answer, Unreachable> {
        let mut line = serde_json::to_vec(request).expect("a request is texts");
        line.push(b'\n');
        self.stream.get_mut().write_all(&line)?;
        let mut answer = Vec::new();
        (&mut self.stream).take(ANSWER_MAX).read_until(b'\n', &mut answer)?;
        if answer.is_empty() {
            // It ended before it answered.
            return Err(Unreachable::NobodyThere);
        }
        serde_json::from_slice(&answer)
            .map_err(|error| Unreachable::Failed(io::Error::new(io::ErrorKind::InvalidData, error)))
    }

    /// Cancels jobs, as many as there are. An answer that is not about them ends it: nothing further is asked.
    pub(crate) fn cancel_jobs(&mut self, jobs: &[JobId]) -> Result<Answer, Unreachable> {
        let mut cancelled: Vec<CancelledJob> = Vec::new();
        for lot in jobs.chunks(JOBS_MAX) {
            match self.ask(&Request::Cancel { jobs: Some(lot.to_vec()) })? {
                Answer::CancelledJobs { jobs } => cancelled.extend(jobs),
                Answer::Refused { why, message } if !cancelled.is_empty() => {
                    let before = cancelled.len();
                    let message = format!("{message}; the {before} jobs that were named before it are cancelled");
                    return Ok(Answer::Refused { why, message });
                }
                other => return Ok(other),
            }
        }
        Ok(Answer::CancelledJobs { jobs: cancelled })
    }
}
