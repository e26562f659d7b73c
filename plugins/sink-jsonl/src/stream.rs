//! JSON Lines into anything that takes bytes: standard output, a pipe, a buffer.

use std::{
    fmt,
    io::{self, Write},
};

use async_trait::async_trait;
use batchmill_core::{BatchId, JobResult, ResultSink, SinkError};
use batchmill_plugin::Offloaded;

use crate::lines::encode;

/// Writes results to a stream, which is flushed after every call: a reader sees them as they come.
///
/// A closed pipe is the error whose `closed` is true. After a temporary error (a full disk behind a redirection) the same
/// call goes on where it stopped: no byte is written twice.
///
/// Needs a tokio runtime: the stream is written to on its blocking threads.
pub struct JsonLinesWriter<W> {
    stream: Offloaded<Stream<W>>,
}

impl<W: Write + Send + 'static> JsonLinesWriter<W> {
    /// Writes to `stream`, which errors call `place`.
    pub fn new(place: impl Into<String>, stream: W) -> Self {
        Self { stream: Offloaded::new(Stream { place: place.into(), inner: stream, interrupted: None }) }
    }
}

impl<W> fmt::Debug for JsonLinesWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLinesWriter").finish_non_exhaustive()
    }
}

#[async_trait]
impl<W: Write + Send + 'static> ResultSink for JsonLinesWriter<W> {
    async fn write(&mut self, batch: &BatchId, results: &[JobResult]) -> Result<(), SinkError> {
        if results.is_empty() {
            return Ok(());
        }
        let lines = encode(batch, results)?;
        self.stream.run(move |stream| stream.write(lines)).await
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        self.stream.run(Stream::flush).await
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        self.flush().await
    }
}

struct Stream<W> {
    place: String,
    inner: W,
    /// What a failed call wanted to write, and how much of it is out.
    interrupted: Option<(Vec<u8>, usize)>,
}

impl<W: Write> Stream<W> {
    fn write(&mut self, lines: Vec<u8>) -> Result<(), SinkError> {
        let mut written = 0;
        if let Some((before, out)) = self.interrupted.take() {
            if before == lines {
                written = out;
            } else {
                self.finish_line(before, out)?;
            }
        }
        match self.write_from(&lines, &mut written) {
            Ok(()) => Ok(()),
            Err(error) => {
                self.interrupted = Some((lines, written));
                Err(SinkError::io(&self.place, error))
            }
        }
    }

    /// Another call than the one that failed must not begin within its last line.
    fn finish_line(&mut self, mut lines: Vec<u8>, mut written: usize) -> Result<(), SinkError> {
        if written == 0 || lines[written - 1] == b'\n' {
            return Ok(());
        }
        let end = lines[written..].iter().position(|b| *b == b'\n').map_or(lines.len(), |place| written + place + 1);
        lines.truncate(end);
        match self.write_from(&lines, &mut written) {
            Ok(()) => Ok(()),
            Err(error) => {
                self.interrupted = Some((lines, written));
                Err(SinkError::io(&self.place, error))
            }
        }
    }

    fn write_from(&mut self, lines: &[u8], written: &mut usize) -> io::Result<()> {
        while *written < lines.len() {
            match self.inner.write(&lines[*written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => *written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.inner.flush()
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.inner.flush().map_err(|error| SinkError::io(&self.place, error))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use batchmill_core::{JobId, Status};

    use super::*;

    /// Takes `room` bytes, then fails with `kind`.
    #[derive(Clone)]
    struct Narrow {
        taken: Arc<Mutex<Vec<u8>>>,
        room: Arc<Mutex<usize>>,
        kind: io::ErrorKind,
    }

    impl Narrow {
        fn new(room: usize, kind: io::ErrorKind) -> Self {
            Self { taken: Arc::default(), room: Arc::new(Mutex::new(room)), kind }
        }
        fn text(&self) -> String {
            String::from_utf8(self.taken.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut room = self.room.lock().unwrap();
            let count = bytes.len().min(*room);
            if count == 0 {
                return Err(self.kind.into());
            }
            *room -= count;
            self.taken.lock().unwrap().extend_from_slice(&bytes[..count]);
            Ok(count)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn result(number: u64) -> JobResult {
        JobResult::new(JobId::from(number), number, Status::Succeeded)
    }

    fn batch() -> BatchId {
        BatchId::new("b").unwrap()
    }

    fn text(numbers: &[u64]) -> String {
        let results: Vec<JobResult> = numbers.iter().map(|n| result(*n)).collect();
        String::from_utf8(encode(&batch(), &results).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_closed_pipe_says_so() {
        let mut sink = JsonLinesWriter::new("standard output", Narrow::new(0, io::ErrorKind::BrokenPipe));
        let error = sink.write(&batch(), &[result(1)]).await.unwrap_err();
        assert!(error.closed && !error.temporary, "{error:?}");
        assert!(error.message.starts_with("standard output: "), "{error}");
    }

    #[tokio::test]
    async fn the_same_call_goes_on_where_it_stopped() {
        let narrow = Narrow::new(100, io::ErrorKind::StorageFull);
        let mut sink = JsonLinesWriter::new("out", narrow.clone());
        let results = [result(1), result(2)];
        assert!(sink.write(&batch(), &results).await.unwrap_err().temporary);
        *narrow.room.lock().unwrap() = usize::MAX;
        sink.write(&batch(), &results).await.unwrap();
        assert_eq!(narrow.text(), text(&[1, 2]));
    }

    #[tokio::test]
    async fn another_call_begins_on_a_line_of_its_own() {
        let narrow = Narrow::new(100, io::ErrorKind::StorageFull);
        let mut sink = JsonLinesWriter::new("out", narrow.clone());
        sink.write(&batch(), &[result(1), result(2)]).await.unwrap_err();
        *narrow.room.lock().unwrap() = usize::MAX;
        sink.write(&batch(), &[result(3)]).await.unwrap();
        assert_eq!(narrow.text(), text(&[1, 3]), "the line that had begun is whole");
    }
}
