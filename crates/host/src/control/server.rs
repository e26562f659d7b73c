//! The answering side: a few clients at a time, lines of bounded length, nobody waited for for long.

use std::{io, path::Path, sync::Arc, time::Duration};

use batchmill_core::{CancelReason, CancelSignal};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream, unix::OwnedWriteHalf},
    task::{JoinHandle, JoinSet},
    time::{MissedTickBehavior, interval, timeout},
};

use super::{
    Answer, Request, Why,
    protocol::LINE_MAX,
    socket::{BindError, Bound},
};

/// Clients that are served at a time; others wait in the kernel's queue.
const CLIENTS_MAX: usize = 16;

/// A client says its whole line within this, and takes its answer within this, or it is cut.
const PATIENCE: Duration = Duration::from_secs(10);

/// What clients still get when the host leaves.
const LAST_GRACE: Duration = Duration::from_secs(1);

/// Between two looks at the batch, for the rate of the last half minute.
const TICK: Duration = Duration::from_secs(1);

/// After an `accept` that failed: descriptors are short, and a client will go some time.
const BREATH: Duration = Duration::from_millis(200);

/// Who knows the answers. Called from several threads, which it may keep for a moment: a census looks at every job.
pub(super) trait Answers: Send + Sync + 'static {
    fn answer(&self, request: Request) -> Answer;
    /// Called once a second.
    fn tick(&self);
}

/// The server of one batch.
#[derive(Debug)]
pub(crate) struct Control {
    stop: CancelSignal,
    task: JoinHandle<()>,
    _bound: Bound,
}

impl Control {
    /// Listens in the batch's `folder`, whose lock the caller holds. A batch that cannot be steered still runs: the
    /// caller warns.
    pub(crate) fn start(folder: &Path, desk: super::Desk) -> Result<Self, String> {
        Self::serving(folder, Arc::new(desk)).map_err(|error| error.to_string())
    }

    fn serving(folder: &Path, desk: Arc<dyn Answers>) -> Result<Self, BindError> {
        let (bound, listener) = Bound::new(folder)?;
        let listener = UnixListener::from_std(listener).map_err(|error| BindError::Io(folder.to_owned(), error))?;
        let stop = CancelSignal::new();
        let task = tokio::spawn(serve(listener, desk, stop.clone()));
        Ok(Self { stop, task, _bound: bound })
    }

    /// Takes no more requests, lets those be answered that are there, and removes the socket.
    pub(crate) async fn close(self) {
        self.stop.cancel(CancelReason::Stop);
        // A panic in an answer was reported by its thread.
        let _ = self.task.await;
    }
}

async fn serve(listener: UnixListener, desk: Arc<dyn Answers>, stop: CancelSignal) {
    let mut clients = JoinSet::new();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            _ = stop.cancelled() => break,
            Some(_) = clients.join_next() => {}
            _ = ticks.tick() => desk.tick(),
            accepted = listener.accept(), if clients.len() < CLIENTS_MAX => match accepted {
                Ok((stream, _)) => {
                    clients.spawn(converse(stream, desk.clone(), stop.clone()));
                }
                Err(error) => {
                    tracing::debug!(%error, "a client of the control socket was not accepted");
                    tokio::time::sleep(BREATH).await;
                }
            },
        }
    }
    drop(listener);
    let answered = async { while clients.join_next().await.is_some() {} };
    // Who has not read its answer by then is cut with the runtime.
    let _ = timeout(LAST_GRACE, answered).await;
}

/// Answers one client until it has no more to ask.
async fn converse(stream: UnixStream, desk: Arc<dyn Answers>, stop: CancelSignal) {
    if !is_allowed(&stream) {
        return;
    }
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let line = tokio::select! {
            line = next_line(&mut reader) => line,
            _ = stop.cancelled() => return,
        };
        let (answer, goes_on) = match line {
            Line::Whole(line) => (answer(&desk, &line).await, true),
            Line::TooLong => (bad_request(&format!("a request has at most {LINE_MAX} bytes")), false),
            Line::None => return,
        };
        if send(&mut writer, &answer).await.is_err() || !goes_on {
            return;
        }
    }
}

/// The mode of the socket says so already; this holds where a file system does not keep modes.
fn is_allowed(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| [own, 0].contains(&peer.uid()))
}

enum Line {
    Whole(Vec<u8>),
    TooLong,
    /// The client has gone, or says nothing.
    None,
}

async fn next_line(reader: &mut (impl AsyncBufReadExt + Unpin)) -> Line {
    let mut line = Vec::new();
    let mut bounded = reader.take(LINE_MAX as u64 + 1);
    match timeout(PATIENCE, bounded.read_until(b'\n', &mut line)).await {
        Ok(Ok(_)) if line.len() > LINE_MAX => Line::TooLong,
        Ok(Ok(_)) if line.ends_with(b"\n") => Line::Whole(line),
        _ => Line::None,
    }
}

/// On a thread that may be kept for a while.
async fn answer(desk: &Arc<dyn Answers>, line: &[u8]) -> Answer {
    let request = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(error) => return bad_request(&format!("not a request: {error}")),
    };
    let desk = desk.clone();
    match tokio::task::spawn_blocking(move || desk.answer(request)).await {
        Ok(answer) => answer,
        Err(error) => bad_request(&format!("no answer: {error}")),
    }
}

fn bad_request(message: &str) -> Answer {
    Answer::Refused { why: Why::BadRequest, message: message.to_owned() }
}

async fn send(writer: &mut OwnedWriteHalf, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer).expect("an answer is texts and numbers");
    line.push(b'\n');
    timeout(PATIENCE, writer.write_all(&line)).await?
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader, Read, Write},
        os::unix::net::UnixStream,
        sync::Mutex,
    };

    use batchmill_core::{BatchCounts, JobId};

    use super::{super::socket, *};
    use crate::control::{CancelledJob, Client, Outcome, Unreachable};

    /// Remembers what it was asked.
    #[derive(Debug, Default)]
    struct Fake(Mutex<Vec<Request>>);

    impl Answers for Fake {
        fn answer(&self, request: Request) -> Answer {
            self.0.lock().unwrap().push(request.clone());
            match request {
                Request::Cancel { jobs: Some(jobs) } => Answer::CancelledJobs {
                    jobs: jobs.into_iter().map(|job| CancelledJob { job, outcome: Outcome::Cancelled {} }).collect(),
                },
                _ => Answer::Cancelling { counts: BatchCounts::default() },
            }
        }
        fn tick(&self) {}
    }

    struct Served {
        folder: tempfile::TempDir,
        desk: Arc<Fake>,
        control: Control,
    }

    fn served() -> Served {
        let (folder, desk) = (tempfile::tempdir().unwrap(), Arc::new(Fake::default()));
        let control = Control::serving(folder.path(), desk.clone()).unwrap();
        Served { folder, desk, control }
    }

    /// Does what a client does, on a thread, because it waits.
    async fn as_client<R: Send + 'static>(served: &Served, act: impl FnOnce(&Path) -> R + Send + 'static) -> R {
        let folder = served.folder.path().to_owned();
        tokio::task::spawn_blocking(move || act(&folder)).await.unwrap()
    }

    fn raw(folder: &Path) -> UnixStream {
        socket::reach(folder, Duration::from_secs(60)).unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn requests_are_answered_in_turn_and_the_socket_goes_at_the_end() {
        let served = served();
        let answer = as_client(&served, |folder| {
            let mut client = Client::connect(folder).unwrap();
            client.ask(&Request::Pause {}).unwrap();
            client.ask(&Request::Cancel { jobs: None }).unwrap()
        })
        .await;
        assert_eq!(answer, Answer::Cancelling { counts: BatchCounts::default() });
        assert_eq!(*served.desk.0.lock().unwrap(), [Request::Pause {}, Request::Cancel { jobs: None }]);
        let Served { folder, control, .. } = served;
        control.close().await;
        assert!(matches!(Client::connect(folder.path()), Err(Unreachable::NobodyThere)));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn many_jobs_are_several_requests_and_one_answer() {
        let served = served();
        let answer = as_client(&served, |folder| {
            let jobs: Vec<JobId> = (0..2_500).map(JobId::from).collect();
            Client::connect(folder).unwrap().cancel_jobs(&jobs).unwrap()
        })
        .await;
        let Answer::CancelledJobs { jobs } = answer else { panic!("{answer:?}") };
        assert_eq!((jobs.len(), jobs[2_499].job.as_str()), (2_500, "2499"));
        assert_eq!(served.desk.0.lock().unwrap().len(), 3);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_no_request_is_said_and_the_client_may_try_again() {
        let served = served();
        let lines = as_client(&served, |folder| {
            let mut stream = BufReader::new(raw(folder));
            let mut answer = |line: &str| {
                stream.get_mut().write_all(line.as_bytes()).unwrap();
                let mut answer = String::new();
                stream.read_line(&mut answer).unwrap();
                answer
            };
            [answer("hello\n"), answer("{\"request\":\"explode\"}\n"), answer("{\"request\":\"cancel\"}\n")]
        })
        .await;
        assert!(
            lines[0].starts_with(r#"{"answer":"refused","why":"bad_request","message":"not a request: "#),
            "{lines:?}"
        );
        assert!(lines[1].contains("unknown variant `explode`, expected one of `status`, "), "{lines:?}");
        assert!(lines[2].starts_with(r#"{"answer":"cancelling","#), "{lines:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_line_without_end_is_cut_and_others_are_served() {
        let served = served();
        let (answer, rest) = as_client(&served, |folder| {
            let mut stream = raw(folder);
            stream.write_all(&vec![b'x'; LINE_MAX + 1]).unwrap();
            let mut stream = BufReader::new(stream);
            let (mut answer, mut rest) = (String::new(), String::new());
            stream.read_line(&mut answer).unwrap();
            let rest_read = stream.read_to_string(&mut rest);
            Client::connect(folder).unwrap().ask(&Request::Status {}).unwrap();
            (answer, rest_read.map(|_| rest))
        })
        .await;
        assert!(answer.contains("a request has at most 1048576 bytes"), "{answer}");
        assert_eq!(rest.unwrap(), "", "the connection is closed");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn clients_beyond_the_bound_wait_until_one_goes() {
        let served = served();
        as_client(&served, |folder| {
            let mut idle: Vec<Client> = (0..CLIENTS_MAX).map(|_| Client::connect(folder).unwrap()).collect();
            for client in &mut idle {
                client.ask(&Request::Status {}).unwrap();
            }
            let mut late = Client::connect(folder).unwrap();
            idle.pop();
            late.ask(&Request::Pause {}).unwrap();
        })
        .await;
        assert_eq!(served.desk.0.lock().unwrap().last(), Some(&Request::Pause {}));
    }

    #[tokio::test]
    async fn a_silent_client_is_cut() {
        tokio::time::pause();
        let (ours, theirs) = tokio::net::UnixStream::pair().unwrap();
        // The clock jumps to the limit, because nothing else is to happen.
        converse(theirs, Arc::new(Fake::default()), CancelSignal::new()).await;
        drop(ours);
    }
}
