//! Everything here that talks to the kernel without std's protection: the only `unsafe` of this crate.
//!
//! A child is made as `posix_spawn` makes it: `clone(CLONE_VM | CLONE_VFORK)` on a stack of its own, so that nothing of
//! the host's memory is copied and the calling thread sleeps until the child has become the program or given up. Until
//! then the child shares the host's memory: it only makes system calls, on data that was prepared before.

#![allow(unsafe_code)]

use std::{
    ffi::{CStr, CString, c_char, c_int, c_long, c_void},
    fs::File,
    io,
    mem::MaybeUninit,
    os::{
        fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
        unix::process::ExitStatusExt,
    },
    process::ExitStatus,
    ptr,
    sync::atomic::{AtomicI32, Ordering},
    time::Duration,
};

use tokio::io::{Interest, unix::AsyncFd};

/// What a child becomes.
pub(crate) struct Image<'a> {
    /// The paths to try, in the order of `PATH`.
    pub(crate) candidates: &'a [CString],
    pub(crate) arguments: &'a [CString],
    pub(crate) environment: [&'a [CString]; 2],
    /// The host's own directory where absent.
    pub(crate) directory: Option<&'a CStr>,
    /// How much it gives way to others: 0 as the host, 19 the most.
    pub(crate) nice: c_int,
    /// The file `cgroup.procs` of the group that it belongs to, open for writing.
    pub(crate) group: Option<BorrowedFd<'a>>,
    /// What becomes descriptors 0, 1 and 2; each is above 2 itself.
    pub(crate) streams: [BorrowedFd<'a>; 3],
}

/// Where a start failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// No process could be made.
    Clone,
    /// Descriptors, process group or limits.
    SetUp,
    /// The working directory.
    Directory,
    /// The program itself.
    Execute,
}

/// A start that failed; no process is left.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) stage: Stage,
    pub(crate) error: io::Error,
}

/// A running child: it leads its process group, nobody has reaped it.
pub(crate) struct Spawned {
    pub(crate) pid: libc::pid_t,
    /// Absent where the kernel knows no pidfds.
    pub(crate) pidfd: Option<OwnedFd>,
    /// What the host itself held at most by then, in bytes. Until the child is the program it shares the host's memory, and
    /// the kernel takes that for the child's own: a peak that is not above says nothing.
    pub(crate) host_peak: u64,
    /// Why it is not in its group; it runs all the same.
    pub(crate) outside: Option<io::Error>,
}

/// The end of a child, as the kernel tells it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reaped {
    pub(crate) status: ExitStatus,
    /// How long it kept a CPU busy, with those of its own children that it has awaited.
    pub(crate) cpu: Duration,
    /// The most that it, or the largest of those, held, in bytes.
    pub(crate) peak: u64,
}

/// What children run on until they are the program. One child uses it at a time.
pub(crate) struct Stack(Box<[MaybeUninit<u8>]>);

impl Stack {
    const BYTES: usize = 64 * 1024;

    pub(crate) fn new() -> Self {
        Self(Box::new_uninit_slice(Self::BYTES))
    }

    /// The upper end, aligned as every ABI wants it: stacks grow downwards.
    fn top(&mut self) -> *mut c_void {
        let end = self.0.as_mut_ptr_range().end.cast::<c_void>();
        end.wrapping_byte_sub(end.addr() % 64)
    }
}

/// What parent and child share while the parent sleeps. All pointers outlive the call of `spawn`.
struct SetUp {
    candidates: *const *const c_char,
    arguments: *const *const c_char,
    environment: *const *const c_char,
    directory: *const c_char,
    nice: c_int,
    /// -1: none.
    group: RawFd,
    streams: [RawFd; 3],
    parent: libc::pid_t,
    empty_mask: libc::sigset_t,
    core_limit: libc::rlimit,
    descriptors: libc::rlim_t,
    /// 0, or how the child failed.
    failed_stage: AtomicI32,
    errno: AtomicI32,
    /// Why the child is not in its group, or 0.
    group_errno: AtomicI32,
}

/// Starts a process. The calling thread must live as long as the host: the child is killed when it ends
/// (`PR_SET_PDEATHSIG`); and it must have all signals blocked.
pub(crate) fn spawn(stack: &mut Stack, image: &Image<'_>) -> Result<Spawned, Failure> {
    let candidates = null_terminated(image.candidates);
    let arguments = null_terminated(image.arguments);
    let environment = null_terminated(image.environment.into_iter().flatten());
    let set_up = SetUp {
        candidates: candidates.as_ptr(),
        arguments: arguments.as_ptr(),
        environment: environment.as_ptr(),
        directory: image.directory.map_or(ptr::null(), CStr::as_ptr),
        nice: image.nice,
        group: image.group.map_or(-1, |group| group.as_raw_fd()),
        streams: image.streams.map(|stream| stream.as_raw_fd()),
        parent: pid_of_host(),
        empty_mask: signal_set(false),
        core_limit: libc::rlimit { rlim_cur: 0, rlim_max: limit(libc::RLIMIT_CORE).rlim_max },
        descriptors: limit(libc::RLIMIT_NOFILE).rlim_cur,
        failed_stage: AtomicI32::new(0),
        errno: AtomicI32::new(0),
        group_errno: AtomicI32::new(0),
    };
    let host_peak = peak_of_host();
    let mut pidfd: c_int = -1;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: `child` runs on `stack`, which nobody else uses: `&mut`, and CLONE_VFORK suspends this thread until the
    // child has executed or exited, so `set_up` and all it points to outlive the child's use of them. The child makes
    // only system calls. With CLONE_PIDFD the kernel writes one int to the fifth argument.
    let pid = unsafe {
        libc::clone(
            child,
            stack.top(),
            flags,
            ptr::from_ref(&set_up).cast_mut().cast::<c_void>(),
            ptr::from_mut(&mut pidfd),
        )
    };
    if pid < 0 {
        return Err(Failure { stage: Stage::Clone, error: io::Error::last_os_error() });
    }
    // SAFETY: the kernel made this descriptor for us; nobody else has its number.
    let pidfd = (pidfd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(pidfd) });
    let stage = match set_up.failed_stage.load(Ordering::Acquire) {
        0 => {
            let errno = set_up.group_errno.load(Ordering::Acquire);
            let outside = (errno != 0).then(|| io::Error::from_raw_os_error(errno));
            return Ok(Spawned { pid, pidfd, host_peak, outside });
        }
        STAGE_DIRECTORY => Stage::Directory,
        STAGE_EXECUTE => Stage::Execute,
        _ => Stage::SetUp,
    };
    // It has called `_exit`: this waits for the kernel only. Whatever the answer, no process is left to care for.
    let _ = reap(pid, true);
    Err(Failure { stage, error: io::Error::from_raw_os_error(set_up.errno.load(Ordering::Acquire)) })
}

const STAGE_SET_UP: i32 = 1;
const STAGE_DIRECTORY: i32 = 2;
const STAGE_EXECUTE: i32 = 3;

extern "C" fn child(argument: *mut c_void) -> c_int {
    // SAFETY: `spawn` passes its `SetUp`, which lives until this process has executed or exited.
    let set_up = unsafe { &*argument.cast::<SetUp>() };
    // SAFETY: we are the child, alone on our stack; what `become_program` needs of `set_up` holds by `spawn`.
    let stage = unsafe { become_program(set_up) };
    // SAFETY: plain system calls; `_exit` runs nothing of the host.
    unsafe {
        set_up.errno.store(*libc::__errno_location(), Ordering::Release);
        set_up.failed_stage.store(stage, Ordering::Release);
        libc::_exit(127)
    }
}

/// Returns only when it failed, with the stage; `errno` says why.
///
/// # Safety
/// Only in a child of `spawn`: everything here is async-signal-safe, allocates nothing and cannot panic.
unsafe fn become_program(set_up: &SetUp) -> i32 {
    // SAFETY: system calls on prepared data: null-terminated arrays of C strings, open descriptors, plain structs.
    unsafe {
        if libc::setpgid(0, 0) != 0 {
            return STAGE_SET_UP;
        }
        // Best effort: the thread that made us is the "parent" here. If the host died before the call, nobody will
        // tell us: then there is nothing to do any more.
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        if libc::getppid() != set_up.parent {
            libc::_exit(127);
        }
        // 0 stands for who writes it. Before the streams: the file may have the number of one of them.
        if set_up.group >= 0 && libc::write(set_up.group, c"0".as_ptr().cast(), 1) != 1 {
            set_up.group_errno.store(*libc::__errno_location(), Ordering::Release);
        }
        for (stream, target) in set_up.streams.iter().zip(0..) {
            if libc::dup2(*stream, target) < 0 {
                return STAGE_SET_UP;
            }
        }
        close_rest_on_exec(set_up.descriptors);
        libc::setrlimit(libc::RLIMIT_CORE, &raw const set_up.core_limit);
        if set_up.nice > 0 {
            // To give way is always allowed.
            libc::setpriority(libc::PRIO_PROCESS, 0, set_up.nice);
        }
        reset_signals(&set_up.empty_mask);
        if !set_up.directory.is_null() && libc::chdir(set_up.directory) != 0 {
            return STAGE_DIRECTORY;
        }
        execute(set_up);
    }
    STAGE_EXECUTE
}

/// Nothing but the three streams reaches the program.
///
/// # Safety
/// As `become_program`.
unsafe fn close_rest_on_exec(descriptors: libc::rlim_t) {
    // SAFETY: system calls on numbers; descriptors that are not open answer EBADF.
    unsafe {
        let (first, last, flags) = (3, c_long::from(c_int::MAX), c_long::from(libc::CLOSE_RANGE_CLOEXEC));
        if libc::syscall(libc::SYS_close_range, first as c_long, last, flags) == 0 {
            return;
        }
        // Before Linux 5.11. What the host itself opens is close-on-exec; this is for what it has inherited.
        let end = if descriptors > 65_536 { 65_536 } else { descriptors as c_int };
        for descriptor in 3..end {
            libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
}

/// Default actions for all signals, then an empty mask: a handler of the host must never run in the child.
///
/// # Safety
/// As `become_program`.
unsafe fn reset_signals(empty_mask: &libc::sigset_t) {
    // SAFETY: all-zero is a valid `sigaction`: SIG_DFL, no flags, empty mask.
    unsafe {
        let mut present: libc::sigaction = std::mem::zeroed();
        let default: libc::sigaction = std::mem::zeroed();
        for signal in 1..65 {
            // KILL, STOP and those that libc keeps for itself refuse: they are as they must be.
            if libc::sigaction(signal, ptr::null(), &raw mut present) == 0 && present.sa_sigaction != libc::SIG_DFL {
                libc::sigaction(signal, &raw const default, ptr::null_mut());
            }
        }
        libc::sigprocmask(libc::SIG_SETMASK, empty_mask, ptr::null_mut());
    }
}

/// Tries the candidates as `execvp` does: on past what is not there, and past what may not be executed, which is
/// remembered; `errno` is the reason that says most.
///
/// # Safety
/// As `become_program`.
unsafe fn execute(set_up: &SetUp) {
    // SAFETY: the arrays end with a null pointer.
    unsafe {
        let mut denied = false;
        let mut candidate = set_up.candidates;
        while !(*candidate).is_null() {
            libc::execve(*candidate, set_up.arguments, set_up.environment);
            match *libc::__errno_location() {
                libc::EACCES => denied = true,
                libc::ENOENT | libc::ENOTDIR | libc::ENODEV | libc::ESTALE | libc::ETIMEDOUT => {}
                _ => return,
            }
            candidate = candidate.add(1);
        }
        if denied {
            *libc::__errno_location() = libc::EACCES;
        }
    }
}

fn null_terminated<'a>(texts: impl IntoIterator<Item = &'a CString>) -> Vec<*const c_char> {
    texts.into_iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
}

fn pid_of_host() -> libc::pid_t {
    // SAFETY: no arguments, cannot fail.
    unsafe { libc::getpid() }
}

fn peak_of_host() -> u64 {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: writes one `rusage`, zeroed before: all-zero is a valid one, and stays where the call fails.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    peak_of(&usage)
}

fn peak_of(usage: &libc::rusage) -> u64 {
    // The kernel counts in KiB.
    u64::try_from(usage.ru_maxrss).unwrap_or_default().saturating_mul(1024)
}

fn cpu_of(usage: &libc::rusage) -> Duration {
    let of = |time: libc::timeval| {
        Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or_default())
            + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or_default())
    };
    of(usage.ru_utime) + of(usage.ru_stime)
}

fn limit(resource: libc::__rlimit_resource_t) -> libc::rlimit {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: writes one `rlimit`; on failure it stays as it is.
    unsafe { libc::getrlimit(resource, &raw mut limit) };
    limit
}

fn signal_set(full: bool) -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: both calls initialise the set; they cannot fail on valid memory.
    unsafe {
        if full {
            libc::sigfillset(set.as_mut_ptr());
        } else {
            libc::sigemptyset(set.as_mut_ptr());
        }
        set.assume_init()
    }
}

/// Blocks all signals for this thread, so that none can arrive in a child before it has default actions.
pub(crate) fn block_signals() {
    let all = signal_set(true);
    // SAFETY: reads one set.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, ptr::null_mut()) };
}

/// Registers a descriptor with the runtime this is called in, to learn when it can be read.
pub(crate) fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<File>> {
    // SAFETY: a `File` owns its descriptor: open, and the same, until it is dropped.
    unsafe { AsyncFd::register_with_interest(File::from(descriptor), Interest::READABLE) }.map_err(Into::into)
}

/// Makes reads of `descriptor` answer at once.
pub(crate) fn set_nonblocking(descriptor: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: changes flags of an open descriptor.
    let answer = unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sends a signal to a process group whose leader has not been reaped. A group without living members is no error.
pub(crate) fn kill_group(leader: libc::pid_t, signal: c_int) {
    // 0 and 1 would mean our own group and everybody.
    assert!(leader > 1, "{leader} leads no group of ours");
    // SAFETY: sends a signal. The leader is unreaped, so the number cannot mean another group.
    unsafe { libc::kill(-leader, signal) };
}

/// Whether a child has ended; it is not reaped. A child that somebody else has reaped has ended too.
pub(crate) fn has_ended(pid: libc::pid_t) -> bool {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: writes one `siginfo_t`, zeroed before: with WNOHANG its pid stays 0 while the child runs.
    unsafe {
        match libc::waitid(libc::P_PID, pid.cast_unsigned(), info.as_mut_ptr(), flags) {
            0 => info.assume_init().si_pid() != 0,
            _ => *libc::__errno_location() == libc::ECHILD,
        }
    }
}

/// Takes the exit status of a child, with what it used: `None` if it still runs and `wait` is false.
pub(crate) fn reap(pid: libc::pid_t, wait: bool) -> io::Result<Option<Reaped>> {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    loop {
        let flags = if wait { 0 } else { libc::WNOHANG };
        // SAFETY: writes one int and one `rusage`. Only ever this pid: children of others stay theirs.
        match unsafe { libc::wait4(pid, &raw mut status, flags, usage.as_mut_ptr()) } {
            0 => return Ok(None),
            answer if answer > 0 => {
                // SAFETY: zeroed before, and written by the call that has found a child.
                let usage = unsafe { usage.assume_init() };
                let status = ExitStatus::from_raw(status);
                return Ok(Some(Reaped { status, cpu: cpu_of(&usage), peak: peak_of(&usage) }));
            }
            _ => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(error),
            },
        }
    }
}

/// A descriptor that a program would inherit, as a host gets it from a careless parent.
#[cfg(test)]
pub(super) fn leak(file: &File) -> OwnedFd {
    // SAFETY: `dup` makes a descriptor that only the returned value owns.
    unsafe { OwnedFd::from_raw_fd(libc::dup(file.as_raw_fd())) }
}
