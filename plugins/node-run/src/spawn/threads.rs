//! The threads that start processes.

use std::{
    collections::VecDeque,
    fs::File,
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, Condvar, Mutex, Once, OnceLock, PoisonError},
    thread,
};

use tokio::sync::{Semaphore, oneshot};

use super::{Child, Command, reaper::Reaper, sys};
use crate::oom;

/// At most so many starts wait; who comes later waits before it queues.
const QUEUE_MAX: usize = 256;
/// More threads than this start no more processes: the kernel's own locks bound it.
const THREADS_MAX: usize = 4;

/// Our ends of what the process writes. Reads answer at once.
#[derive(Debug)]
pub(crate) struct Pipes {
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

/// Why a process was not started. None is left.
#[derive(Debug)]
pub(crate) enum SpawnError {
    /// The host ran out of descriptors, processes or memory, or cannot make pipes.
    Host(io::Error),
    /// The working directory cannot be entered.
    Directory(io::Error),
    /// The program cannot be executed.
    Program(io::Error),
}

type Answer = Result<(Child, Pipes), SpawnError>;

struct Request {
    command: Command,
    reply: oneshot::Sender<Answer>,
}

struct Queue {
    requests: Mutex<VecDeque<Request>>,
    arrived: Condvar,
    room: Semaphore,
    reaper: Reaper,
    /// What every process reads.
    nothing: OwnedFd,
}

/// Starts a process. If this future is dropped the process is not started, or killed.
pub(crate) async fn spawn(command: Command) -> Answer {
    let queue = started().map_err(SpawnError::Host)?;
    if let Ok(room) = queue.room.acquire().await {
        // Given back by the thread that takes the request.
        room.forget();
    }
    let (reply, answer) = oneshot::channel();
    queue.requests.lock().unwrap_or_else(PoisonError::into_inner).push_back(Request { command, reply });
    queue.arrived.notify_one();
    answer.await.unwrap_or_else(|_| Err(SpawnError::Host(io::Error::other("starting the process panicked"))))
}

/// The queue, with its threads: made at the first use, and again tried at the next if that failed.
fn started() -> io::Result<&'static Arc<Queue>> {
    static QUEUE: OnceLock<Arc<Queue>> = OnceLock::new();
    static STARTING: Mutex<()> = Mutex::new(());
    if let Some(queue) = QUEUE.get() {
        return Ok(queue);
    }
    let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(queue) = QUEUE.get() {
        return Ok(queue);
    }
    let queue = Queue::start()?;
    Ok(QUEUE.get_or_init(|| queue))
}

impl Queue {
    fn start() -> io::Result<Arc<Self>> {
        oom::begin();
        let queue = Arc::new(Self {
            requests: Mutex::default(),
            arrived: Condvar::new(),
            room: Semaphore::new(QUEUE_MAX),
            nothing: above_streams(File::open("/dev/null")?.into())?,
            reaper: Reaper::start()?,
        });
        let threads = thread::available_parallelism().map_or(1, |cores| cores.get().min(THREADS_MAX));
        for number in 0..threads {
            let mine = queue.clone();
            let thread = thread::Builder::new().name(format!("batchmill-spawn-{number}")).spawn(move || mine.work());
            match thread {
                Ok(_) => {}
                // Fewer threads are slower, not wrong.
                Err(error) if number > 0 => tracing::warn!(%error, threads = number, "fewer threads start processes"),
                Err(error) => return Err(error),
            }
        }
        Ok(queue)
    }

    fn work(&self) {
        sys::block_signals();
        let mut stack = sys::Stack::new();
        loop {
            let Request { command, reply } = self.next();
            if reply.is_closed() {
                continue;
            }
            // This thread must not end: its children would be killed. Who asked learns of a panic by the lost reply.
            let answer = catch_unwind(AssertUnwindSafe(|| start(&mut stack, &command, &self.nothing, &self.reaper)));
            if let Ok(answer) = answer {
                // Nobody there any more: the child is dropped here, which kills it.
                let _ = reply.send(answer);
            }
        }
    }

    fn next(&self) -> Request {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(request) = requests.pop_front() {
                self.room.add_permits(1);
                return request;
            }
            requests = self.arrived.wait(requests).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn start(stack: &mut sys::Stack, command: &Command, nothing: &OwnedFd, reaper: &Reaper) -> Answer {
    let (stdout, stdout_of_child) = pipe().map_err(SpawnError::Host)?;
    let (stderr, stderr_of_child) = pipe().map_err(SpawnError::Host)?;
    let group = command.group.folder().and_then(|folder| match open_group(folder) {
        Ok(file) => Some(file),
        Err(error) => {
            tell_outside(folder, &error);
            None
        }
    });
    let image = sys::Image {
        candidates: &command.candidates(),
        arguments: &command.arguments,
        environment: [&command.shared_environment, &command.environment],
        directory: command.directory.as_ref().map(|path| path.as_c_str()),
        nice: command.nice,
        group: group.as_ref().map(AsFd::as_fd),
        streams: [nothing.as_fd(), stdout_of_child.as_fd(), stderr_of_child.as_fd()],
    };
    match sys::spawn(stack, &image) {
        Ok(spawned) => {
            if let (Some(error), Some(folder)) = (&spawned.outside, command.group.folder()) {
                tell_outside(folder, error);
            }
            Ok((Child::new(spawned, reaper), Pipes { stdout, stderr }))
        }
        Err(failure) => Err(match failure.stage {
            sys::Stage::Clone | sys::Stage::SetUp => SpawnError::Host(failure.error),
            sys::Stage::Directory => SpawnError::Directory(failure.error),
            sys::Stage::Execute => SpawnError::Program(failure.error),
        }),
    }
}

/// What a process writes into to be in the group.
fn open_group(folder: &Path) -> io::Result<File> {
    File::options().write(true).open(folder.join("cgroup.procs"))
}

/// Once: what keeps one process out of the group keeps out all.
fn tell_outside(folder: &Path, error: &io::Error) {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        tracing::warn!(group = %folder.display(), %error, "processes run outside of their control group: no quota of CPU time holds them back");
    });
}

/// Our end, which never blocks, and the child's, which does.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = io::pipe()?;
    sys::set_nonblocking(ours.as_fd())?;
    Ok((ours.into(), above_streams(theirs.into())?))
}

/// A host that was started with closed streams may get 0, 1 or 2 for a pipe; the child's own streams go there.
fn above_streams(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    if descriptor.as_raw_fd() > 2 { Ok(descriptor) } else { descriptor.try_clone() }
}
