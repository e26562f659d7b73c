//! From a started process to its end.

use std::{
    io,
    pin::{Pin, pin},
    process::ExitStatus,
    time::Duration,
};

use batchmill_core::{CancelReason, CancelSignal};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::{
    capture::{Capture, Stderr, Stdout},
    scale::Scale,
};
use crate::spawn::{Child, Pipes};

/// How long a pipe is read on after the process has ended, while others hold it open.
const LINGER: Duration = Duration::from_secs(1);
/// How long a group has between TERM and KILL.
const GRACE: Duration = Duration::from_secs(1);

/// Bounds of what is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Of stdout, in bytes.
    pub(crate) stdout: usize,
    /// Whether more than that ends the process.
    pub(crate) fail_on_overflow: bool,
    /// Whether its memory is looked at while it runs.
    pub(crate) is_weighed: bool,
    /// How long it may write nothing.
    pub(crate) idle: Option<Duration>,
}

/// How it ended, and what it wrote.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) end: End,
    /// How long it kept a CPU busy.
    pub(crate) cpu: Duration,
    /// The most memory that it was seen to hold, in bytes.
    pub(crate) peak: Option<u64>,
    pub(crate) stdout: Stdout,
    pub(crate) stderr: Stderr,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) enum End {
    /// By itself, or by a signal that was not ours.
    Exited(ExitStatus),
    /// We stopped it, because we were told to.
    Stopped,
    /// We killed it, because it wrote too much.
    Overflowed,
    /// We stopped it, because it wrote nothing for too long.
    Idle,
}

/// Sees a process to its end. When this returns the process has been reaped, and if it was ours to end, its group is
/// gone. Dropped, it kills the group.
pub(crate) async fn supervise(child: Child, pipes: Pipes, limits: Limits, cancel: &CancelSignal) -> io::Result<Ended> {
    let stdout = Capture::new(pipes.stdout, Stdout::new(limits.stdout))?;
    let stderr = Capture::new(pipes.stderr, Stderr::default())?;
    let scale = Scale::new(child.pid(), limits.is_weighed);
    let mut process = Process { child, stdout, stderr, scale };
    let cause = match process.run(limits, cancel).await {
        // An end that has already happened is not undone by an order that comes late.
        Cause::Cancel(_) | Cause::Idle if process.child.has_ended() => Cause::Exit,
        cause => cause,
    };
    match cause {
        Cause::Exit => process.linger(cancel).await,
        Cause::Overflow => process.kill().await,
        Cause::Cancel(reason) => process.stop(reason, cancel).await,
        Cause::Idle => process.stop(CancelReason::Timeout, cancel).await,
    }
    let Process { child, stdout, stderr, scale } = process;
    let reaped = child.reap();
    let (cpu, told) = reaped.as_ref().map_or_else(|_| Default::default(), |reaped| (reaped.cpu, reaped.peak));
    let end = match cause {
        Cause::Cancel(_) => End::Stopped,
        Cause::Idle => End::Idle,
        _ if limits.fail_on_overflow && stdout.kept.overflowed() => End::Overflowed,
        _ => End::Exited(reaped?.status),
    };
    Ok(Ended { end, cpu, peak: told.max(scale.peak()), stdout: stdout.kept, stderr: stderr.kept })
}

/// What ends the plain running of a process.
#[derive(Debug, Clone, Copy)]
enum Cause {
    Exit,
    Overflow,
    Idle,
    Cancel(CancelReason),
}

/// Ready when the timer fires; never, where there is none.
async fn fired(timer: Option<Pin<&mut Sleep>>) {
    match timer {
        Some(timer) => timer.await,
        None => std::future::pending().await,
    }
}

struct Process {
    child: Child,
    stdout: Capture<Stdout>,
    stderr: Capture<Stderr>,
    scale: Scale,
}

impl Process {
    async fn run(&mut self, limits: Limits, cancel: &CancelSignal) -> Cause {
        let Self { child, stdout, stderr, scale } = self;
        let mut wrote = Instant::now();
        // Moved on only when it fires: a process that writes much is not to cost a timer each time.
        let mut idle = pin!(limits.idle.map(|limit| sleep_until(wrote + limit)));
        loop {
            // Output comes after: a process that never stops writing must not hide its end or an order to stop it. Silence
            // comes last: what was written while nobody looked is no silence.
            tokio::select! {
                biased;
                () = child.ended() => return Cause::Exit,
                reason = cancel.cancelled() => return Cause::Cancel(reason),
                () = scale.turn() => {}
                () = stdout.read() => {
                    wrote = Instant::now();
                    if limits.fail_on_overflow && stdout.kept.overflowed() {
                        return Cause::Overflow;
                    }
                }
                () = stderr.read() => wrote = Instant::now(),
                () = fired(idle.as_mut().as_pin_mut()) => {
                    let due = limits.idle.map_or(wrote, |limit| wrote + limit);
                    if due <= Instant::now() {
                        return Cause::Idle;
                    }
                    idle.set(Some(sleep_until(due)));
                }
            }
        }
    }

    /// The process has ended: reads what it wrote. Others may hold its pipes open; they get a moment.
    async fn linger(&mut self, cancel: &CancelSignal) {
        self.stdout.read_rest();
        self.stderr.read_rest();
        if !self.is_open() {
            return;
        }
        tokio::select! {
            biased;
            _ = cancel.cancelled() => {}
            _ = timeout(LINGER, self.read_to_end()) => {}
        }
        if self.is_open() {
            tracing::warn!(
                group = self.child.pid(),
                "a process has ended and left others behind that hold its output open; its group is killed"
            );
            self.child.signal_group(libc::SIGKILL);
            self.stdout.read_rest();
            self.stderr.read_rest();
        }
    }

    /// Asks the group to end, then makes it end.
    async fn stop(&mut self, reason: CancelReason, cancel: &CancelSignal) {
        if reason != CancelReason::Kill {
            self.child.signal_group(libc::SIGTERM);
            // A group that was stopped (Ctrl-Z, a debugger) would not see it.
            self.child.signal_group(libc::SIGCONT);
            tokio::select! {
                biased;
                // Only `Kill` is stronger than `Stop`.
                _ = cancel.stronger_than(CancelReason::Stop) => {}
                _ = timeout(GRACE, self.end_and_close()) => {}
            }
        }
        self.kill().await;
    }

    async fn kill(&mut self) {
        self.child.signal_group(libc::SIGKILL);
        self.child.ended().await;
    }

    fn is_open(&self) -> bool {
        self.stdout.is_open() || self.stderr.is_open()
    }

    async fn read_to_end(&mut self) {
        let Self { stdout, stderr, .. } = self;
        while stdout.is_open() || stderr.is_open() {
            tokio::select! {
                () = stdout.read() => {}
                () = stderr.read() => {}
            }
        }
    }

    /// Ready when the process has ended and all that wrote to its pipes have too.
    async fn end_and_close(&mut self) {
        loop {
            tokio::select! {
                biased;
                () = self.child.ended() => break,
                () = self.stdout.read() => {}
                () = self.stderr.read() => {}
            }
        }
        self.read_to_end().await;
    }
}
