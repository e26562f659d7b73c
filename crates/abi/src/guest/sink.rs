//! A sink behind its table: a thread of its own with a runtime of its own, which completes tickets.
//!
//! The host's runtime is not there for a library: it has its own copy of tokio. So nothing asynchronous crosses the
//! boundary, and a sink may use whatever runtime it finds around it, as it does where it is linked statically.

use std::{
    ffi::c_void,
    mem::size_of,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc as std_mpsc,
    },
    task::Poll,
    thread,
};

use batchmill_core::{BatchId, BuildError, ResultSink, Resumed, SinkError};
use tokio::sync::{Mutex, mpsc};

use super::{
    create::{self, Asked},
    guard, home,
    packed::Packed,
};
use crate::{
    layout::{
        BuildInfo, CLOSED, ERROR, NONE, OK, PANIC, POISONED, RESUMED_AT_MARK, RESUMED_EMPTY, RawRecord, SinkTable,
        TEMPORARY, Text, Writer,
    },
    text,
};

pub(super) static TABLE: SinkTable = SinkTable {
    size: size_of::<SinkTable>() as u32,
    reserved: 0,
    create: Some(create),
    destroy: Some(destroy),
    write: Some(write),
    flush: Some(flush),
    close: Some(close),
    resume: Some(resume),
    mark: Some(mark),
    summary: Some(summary),
};

type Shared = Arc<Mutex<Box<dyn ResultSink>>>;

/// The instance behind the host's pointer.
struct Instance {
    calls: mpsc::Sender<(u64, Call)>,
    sink: Shared,
    poisoned: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

enum Call {
    Write { batch: String, records: Packed },
    Flush,
    Close,
    Resume(Option<String>),
}

unsafe extern "C" fn create(
    ctx: *mut c_void,
    options: Text,
    info: *const BuildInfo,
    out: *mut *mut c_void,
    error: *const Writer,
) -> i32 {
    // SAFETY: the host gives us our own context, its text for this call, a place for the answer and a writer.
    guard::answered(error, || unsafe {
        let asked = match Asked::<dyn ResultSink>::read(ctx, options, info) {
            Ok(asked) => asked,
            Err(message) => return create::refuse(error, ERROR, &message),
        };
        match start(asked) {
            Ok(instance) => {
                *out = Box::into_raw(Box::new(instance)).cast();
                OK
            }
            Err(why) => create::tell(error, &why),
        }
    })
}

/// Makes the sink on the thread where it will live.
fn start(asked: Asked<dyn ResultSink>) -> Result<Instance, BuildError> {
    // One call at a time is the contract.
    let (calls, to_do) = mpsc::channel(1);
    let (tell, told) = std_mpsc::sync_channel(1);
    let poisoned = Arc::new(AtomicBool::new(false));
    let poison = Arc::clone(&poisoned);
    let thread = thread::Builder::new()
        .name(format!("bm-{}", asked.name()))
        .spawn(move || live(&asked, &tell, to_do, &poison))
        .map_err(|error| BuildError::environment(format!("no thread for the sink: {error}")))?;
    match told.recv() {
        Ok(Ok(sink)) => Ok(Instance { calls, sink, poisoned, thread }),
        Ok(Err(why)) => Err(why),
        // It hung up without a word: the panic is in the log.
        Err(_) => Err(BuildError::environment("the sink panicked while it was made")),
    }
}

fn live(
    asked: &Asked<dyn ResultSink>,
    tell: &std_mpsc::SyncSender<Result<Shared, BuildError>>,
    mut to_do: mpsc::Receiver<(u64, Call)>,
    poisoned: &AtomicBool,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = tell.send(Err(BuildError::environment(format!("no runtime for the sink: {error}"))));
            return;
        }
    };
    runtime.block_on(async {
        let built = match catch_unwind(AssertUnwindSafe(|| asked.build())) {
            Ok(built) => built,
            Err(payload) => {
                let said = guard::panic_text(&*payload);
                guard::discard(payload);
                Err(BuildError::environment(format!("it panicked: {said}")))
            }
        };
        let sink = match built {
            Ok(sink) => Arc::new(Mutex::new(sink)),
            Err(why) => {
                let _ = tell.send(Err(why));
                return;
            }
        };
        if tell.send(Ok(Arc::clone(&sink))).is_err() {
            return;
        }
        while let Some((ticket, call)) = to_do.recv().await {
            answer(ticket, call, &sink, poisoned).await;
        }
        guard::contained(std::ptr::null(), || drop(sink));
    });
}

async fn answer(ticket: u64, call: Call, sink: &Shared, poisoned: &AtomicBool) {
    if poisoned.load(Ordering::Acquire) {
        return home::complete(ticket, POISONED, 0, "it panicked before");
    }
    let ended = {
        let mut sink = sink.lock().await;
        contained(Box::pin(carry_out(&mut **sink, call))).await
    };
    match ended {
        Ok(Ok(value)) => home::complete(ticket, OK, value, ""),
        Ok(Err(error)) => {
            let status = match &error {
                error if error.closed => CLOSED,
                error if error.temporary => TEMPORARY,
                _ => ERROR,
            };
            home::complete(ticket, status, 0, &error.message);
        }
        Err(said) => {
            poisoned.store(true, Ordering::Release);
            home::complete(ticket, PANIC, 0, &said);
        }
    }
}

async fn carry_out(sink: &mut dyn ResultSink, call: Call) -> Result<u32, SinkError> {
    match call {
        Call::Write { batch, records } => {
            let batch = BatchId::new(batch).map_err(|error| SinkError::permanent(format!("the batch: {error}")))?;
            let results = records.results().map_err(SinkError::permanent)?;
            sink.write(&batch, &results).await.map(|()| 0)
        }
        Call::Flush => sink.flush().await.map(|()| 0),
        Call::Close => sink.close().await.map(|()| 0),
        Call::Resume(mark) => sink.resume(mark.as_deref()).await.map(|resumed| match resumed {
            Resumed::Empty => RESUMED_EMPTY,
            _ => RESUMED_AT_MARK,
        }),
    }
}

/// Awaits a future whose panic becomes its text.
async fn contained<T>(mut future: Pin<Box<dyn Future<Output = T> + Send + '_>>) -> Result<T, String> {
    let ended =
        std::future::poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(payload) => {
                let said = guard::panic_text(&*payload);
                guard::discard(payload);
                Poll::Ready(Err(said))
            }
        })
        .await;
    guard::contained(std::ptr::null(), || drop(future));
    ended
}

/// Hands a call to the sink's thread.
///
/// # Safety
/// `this` is an instance of ours that nobody else calls meanwhile; `error` is null or a writer.
unsafe fn hand_over(this: *mut c_void, ticket: u64, error: *const Writer, call: impl FnOnce() -> Call) -> i32 {
    // SAFETY: as the caller promises.
    let instance = unsafe { &*this.cast::<Instance>() };
    guard::answered(error, || {
        if instance.poisoned.load(Ordering::Acquire) {
            return POISONED;
        }
        match instance.calls.try_send((ticket, call())) {
            Ok(()) => OK,
            // SAFETY: as the caller promises.
            Err(_) => unsafe { create::refuse(error, ERROR, "a call while another one is not complete") },
        }
    })
}

unsafe extern "C" fn write(
    this: *mut c_void,
    ticket: u64,
    batch: Text,
    records: *const RawRecord,
    count: usize,
    stride: usize,
    error: *const Writer,
) -> i32 {
    // SAFETY: the host's pointers, valid for the call.
    let call = || unsafe {
        Call::Write { batch: text::read(batch).into_owned(), records: Packed::copy(records, count, stride) }
    };
    // SAFETY: as above.
    unsafe { hand_over(this, ticket, error, call) }
}

unsafe extern "C" fn flush(this: *mut c_void, ticket: u64, error: *const Writer) -> i32 {
    // SAFETY: the host's pointers, valid for the call.
    unsafe { hand_over(this, ticket, error, || Call::Flush) }
}

unsafe extern "C" fn close(this: *mut c_void, ticket: u64, error: *const Writer) -> i32 {
    // SAFETY: the host's pointers, valid for the call.
    unsafe { hand_over(this, ticket, error, || Call::Close) }
}

unsafe extern "C" fn resume(this: *mut c_void, ticket: u64, has_mark: u32, mark: Text, error: *const Writer) -> i32 {
    // SAFETY: the host's pointers, valid for the call.
    let call = || unsafe { Call::Resume((has_mark == 1).then(|| text::read(mark).into_owned())) };
    // SAFETY: as above.
    unsafe { hand_over(this, ticket, error, call) }
}

/// Asks for a text while no call is open.
///
/// # Safety
/// `this` is an instance of ours; the writers are the host's, or null.
unsafe fn text_of(
    this: *mut c_void,
    out: *const Writer,
    error: *const Writer,
    ask: impl FnOnce(&dyn ResultSink) -> Option<String>,
) -> i32 {
    // SAFETY: as the caller promises.
    let instance = unsafe { &*this.cast::<Instance>() };
    guard::answered(error, || {
        if instance.poisoned.load(Ordering::Acquire) {
            return POISONED;
        }
        let Ok(sink) = instance.sink.try_lock() else {
            // SAFETY: a writer of the host.
            return unsafe { create::refuse(error, ERROR, "asked while a call is not complete") };
        };
        match ask(&**sink) {
            // SAFETY: a writer of the host.
            Some(text) => unsafe { text::write(out, &text) },
            None => NONE,
        }
    })
}

unsafe extern "C" fn mark(this: *mut c_void, out: *const Writer, error: *const Writer) -> i32 {
    // SAFETY: an instance of ours and writers of the host.
    unsafe { text_of(this, out, error, |sink| sink.mark()) }
}

unsafe extern "C" fn summary(this: *mut c_void, out: *const Writer, error: *const Writer) -> i32 {
    // SAFETY: an instance of ours and writers of the host.
    unsafe { text_of(this, out, error, |sink| sink.summary().map(|summary| summary.to_string())) }
}

/// Ends the thread, which drops the sink.
unsafe extern "C" fn destroy(this: *mut c_void) -> i32 {
    // SAFETY: made by `create`, and not used again.
    let Instance { calls, sink, thread, .. } = unsafe { *Box::from_raw(this.cast::<Instance>()) };
    drop(calls);
    drop(sink);
    if thread.join().is_ok() { OK } else { PANIC }
}
