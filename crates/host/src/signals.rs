//! Signals, as the reference has them: INT and TERM drain, then stop, then kill; HUP drains; USR1 asks how it stands; USR2
//! is ignored. A file that would grow beyond the limit of its size (XFSZ) is an error where it is written, as any other is.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The size of a file has reached its limit. Jobs get it as the system has it: a handler does not outlive `exec`.
const XFSZ: rustix::process::Signal = rustix::process::Signal::XFSZ;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// End; more urgently each time.
    End,
    /// Drain.
    Drain,
    /// Say how it stands.
    Status,
}

/// The signals of this process. From its making on none of them ends the process by itself.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    status: Signal,
    /// Kept so that these stay without effect.
    _ignored: [Signal; 2],
}

impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            status: signal(SignalKind::user_defined1())?,
            _ignored: [signal(SignalKind::user_defined2())?, signal(SignalKind::from_raw(XFSZ.as_raw()))?],
        })
    }

    pub(crate) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::End,
            _ = self.terminate.recv() => Asked::End,
            _ = self.hangup.recv() => Asked::Drain,
            _ = self.status.recv() => Asked::Status,
        }
    }
}
