//! Stderr as one place that several write to: log lines, progress lines and the bar do not tear each other.

use std::{
    env, fmt,
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError},
};

use indicatif::{MultiProgress, ProgressDrawTarget};
use tracing_subscriber::fmt::MakeWriter;

use crate::paint::Paint;

/// Whether stderr is a terminal that knows how to draw: one that says `TERM=dumb` only takes lines.
pub(crate) fn is_drawn_on() -> bool {
    io::stderr().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Stderr. Clones share the bar.
#[derive(Clone)]
pub(crate) struct Screen {
    bars: MultiProgress,
    stderr: Arc<Mutex<dyn Write + Send>>,
    paint: Paint,
}

impl Screen {
    pub(crate) fn new(paint: Paint) -> Self {
        // Hidden off a terminal, so that nothing is ever drawn into a file.
        Self::onto(io::stderr(), ProgressDrawTarget::stderr_with_hz(10), paint)
    }

    /// Writes lines to `stderr` and draws bars on `target`.
    pub(crate) fn onto(stderr: impl Write + Send + 'static, target: ProgressDrawTarget, paint: Paint) -> Self {
        Self { bars: MultiProgress::with_draw_target(target), stderr: Arc::new(Mutex::new(stderr)), paint }
    }

    /// How text on it is coloured.
    pub(crate) fn paint(&self) -> Paint {
        self.paint
    }

    /// Where a bar is drawn.
    pub(crate) fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Writes lines above the bar.
    pub(crate) fn write(&self, text: &str) {
        self.write_bytes(text.as_bytes());
    }

    fn write_bytes(&self, bytes: &[u8]) {
        self.bars.suspend(|| {
            let mut stderr = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
            // A stderr that is gone has no reader to tell.
            let _ = stderr.write_all(bytes).and_then(|()| stderr.flush());
        });
    }
}

/// One log line at a time: the formatter hands over whole lines. It hears of no error: it would report it on stderr.
impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_bytes(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Screen {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").finish_non_exhaustive()
    }
}
