//! A process that was started, from then until it has been reaped.

use std::{fs::File, io, os::fd::OwnedFd, process::ExitStatus, time::Duration};

use tokio::{io::unix::AsyncFd, sync::oneshot};

use super::{reaper::Reaper, sys};

/// How the end of the child is noticed.
#[derive(Debug)]
enum Notice {
    /// By the kernel, not yet registered with the runtime.
    Unregistered(OwnedFd),
    /// By the kernel: a pidfd is readable when the process has ended.
    Kernel(AsyncFd<File>),
    /// By the reaper, which asks the kernel now and then.
    Asked(oneshot::Receiver<()>),
    /// It has ended.
    Ended,
}

/// A process that leads its own group. Dropped, it is killed with the group and reaped in the background.
#[derive(Debug)]
pub(crate) struct Child {
    pid: libc::pid_t,
    notice: Notice,
    reaped: bool,
    reaper: Reaper,
    host_peak: u64,
}

/// How a process ended, and what it used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reaped {
    pub(crate) status: ExitStatus,
    /// How long it kept a CPU busy.
    pub(crate) cpu: Duration,
    /// The most memory that it held, in bytes, where the kernel can tell: not of one that was smaller than the host.
    pub(crate) peak: Option<u64>,
}

impl Child {
    pub(super) fn new(spawned: sys::Spawned, reaper: &Reaper) -> Self {
        let notice = match spawned.pidfd {
            Some(pidfd) => Notice::Unregistered(pidfd),
            None => Notice::Asked(reaper.told(spawned.pid)),
        };
        Self { pid: spawned.pid, notice, reaped: false, reaper: reaper.clone(), host_peak: spawned.host_peak }
    }

    /// The number of the process and of its group.
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// Ready when the process has ended. It stays unreaped, so that its number keeps meaning its group. May be dropped
    /// and called again.
    pub(crate) async fn ended(&mut self) {
        if let Notice::Unregistered(_) = &self.notice {
            self.register();
        }
        match &mut self.notice {
            Notice::Kernel(pidfd) => {
                // An error means that the runtime shuts down: then nothing more is awaited.
                let _ = pidfd.readable().await;
            }
            Notice::Asked(told) => {
                let _ = told.await;
            }
            Notice::Unregistered(_) | Notice::Ended => {}
        }
        self.notice = Notice::Ended;
    }

    /// Must run in the runtime: the reason that it is not done where the child is made.
    fn register(&mut self) {
        let Notice::Unregistered(pidfd) = std::mem::replace(&mut self.notice, Notice::Ended) else { return };
        self.notice = match sys::watch(pidfd) {
            Ok(pidfd) => Notice::Kernel(pidfd),
            // Linux 5.2 has pidfds that cannot be polled; and a table in the kernel may be full.
            Err(_) => Notice::Asked(self.reaper.told(self.pid)),
        };
    }

    /// The same child as on a kernel without pidfds.
    #[cfg(test)]
    pub(super) fn without_pidfd(mut self) -> Self {
        self.notice = Notice::Asked(self.reaper.told(self.pid));
        self
    }

    /// Whether the process has ended, asked now.
    pub(crate) fn has_ended(&self) -> bool {
        self.reaped || sys::has_ended(self.pid)
    }

    /// Sends a signal to the whole group, if it was not reaped.
    pub(crate) fn signal_group(&self, signal: i32) {
        if !self.reaped {
            sys::kill_group(self.pid, signal);
        }
    }

    /// Takes the exit status, after [`ended`](Self::ended).
    pub(crate) fn reap(mut self) -> io::Result<Reaped> {
        let mut reaped = sys::reap(self.pid, false);
        if let Ok(None) = reaped {
            // It was not awaited to its end: that happens where the runtime shuts down.
            sys::kill_group(self.pid, libc::SIGKILL);
            reaped = sys::reap(self.pid, true);
        }
        self.reaped = true;
        let sys::Reaped { status, cpu, peak } = reaped?.unwrap_or_default();
        Ok(Reaped { status, cpu, peak: (peak > self.host_peak).then_some(peak) })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.reaped {
            return;
        }
        sys::kill_group(self.pid, libc::SIGKILL);
        if matches!(sys::reap(self.pid, false), Ok(None)) {
            self.reaper.reap(self.pid);
        }
    }
}
