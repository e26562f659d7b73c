//! A sink of a plugin, as core knows them.
//!
//! Its functions are called on a thread of the instance, because a plugin may do there what it should not: block. The caller
//! waits for the ticket, which the plugin completes, or the warden in its place. An instance whose call did not end is never
//! called again, and what it has stays with it.

use std::{
    ffi::c_void,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use batchmill_core::{BatchId, BuildContext, BuildError, JobResult, Options, ResultSink, Resumed, SinkError};
use serde_json::Value;

use super::{
    Containment,
    desk::Desk,
    instance::{Fault, Instance, Maker},
    records::Records,
    succession::Succession,
    tickets::{self, Answer, LOST, Ticket},
    warden,
};
use crate::{
    layout::{CLOSED, NONE, OK, PANIC, POISONED, RESUMED_EMPTY, SinkTable, TEMPORARY, Text, Writer},
    text::Buffer,
};

type Remote = Instance<SinkTable>;

type AskText = unsafe extern "C" fn(*mut c_void, *const Writer, *const Writer) -> i32;

/// The longest mark of the contract.
const MARK_MAX: usize = 1024;

/// The sink that is written to now, and what it takes to make another.
pub(super) struct Contained {
    now: Option<Served>,
    /// Why there is none.
    gone: String,
    /// Whether a fresh instance is to take the place of one that panicked.
    renews: bool,
    /// The mark after the last call that ended well.
    mark: Option<String>,
    /// Sinks have no fallback.
    succession: Succession<SinkTable, dyn ResultSink>,
}

/// An instance and the thread that calls it.
struct Served {
    remote: Arc<Remote>,
    calls: Desk<(u64, Call)>,
    /// Of records that were written, for the next ones.
    room: Arc<Mutex<Option<Records>>>,
}

enum Call {
    Write(BatchId, Records),
    Flush,
    Close,
    Resume(Option<String>),
}

impl Call {
    const fn name(&self) -> &'static str {
        match self {
            Self::Write(..) => "write",
            Self::Flush => "flush",
            Self::Close => "close",
            Self::Resume(_) => "resume",
        }
    }
}

impl Served {
    fn start(remote: Remote) -> Result<Self, BuildError> {
        warden::ensure_running();
        let remote = Arc::new(remote);
        let (served, room) = (Arc::clone(&remote), Arc::<Mutex<Option<Records>>>::default());
        let written = Arc::clone(&room);
        let name: String = format!("bm-{}", remote.pulse.plugin).chars().take(15).collect();
        // One call at a time is the contract.
        let take = move |(ticket, mut call)| {
            carry_out(&served, ticket, &mut call);
            if let Call::Write(_, records) = call
                && records.is_small()
            {
                *written.lock().unwrap_or_else(PoisonError::into_inner) = Some(records);
            }
        };
        let calls = Desk::open(name, take)
            .map_err(|error| BuildError::environment(format!("no thread for the sink: {error}")))?;
        Ok(Self { remote, calls, room })
    }

    /// The room of earlier records, if there is some.
    fn take_room(&self) -> Option<Records> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Asks for a text, while no ticket is open.
    fn text(&self, name: &'static str, ask: Option<AskText>) -> Result<Option<String>, Fault> {
        let Some(ask) = ask else { return Ok(None) };
        let mut buffer = Buffer::default();
        let writer = buffer.writer();
        // SAFETY: a function of its table with its own instance and writers for this call; no ticket is open.
        let code = self.remote.call_shared(name, |_, this, error| unsafe { ask(this, &raw const writer, error) })?;
        Ok((code != NONE).then(|| buffer.into_text()))
    }

    fn summary(&self) -> Result<Option<Value>, Fault> {
        let Some(text) = self.text("summary", self.remote.table.summary)? else { return Ok(None) };
        let summary = serde_json::from_str(&text).ok();
        if summary.is_none() {
            self.remote.wrong("`summary` answers with what is no JSON");
        }
        Ok(summary)
    }

    /// What was written stands for this.
    fn mark(&self) -> Result<Option<String>, Fault> {
        let Some(mark) = self.text("mark", self.remote.table.mark)? else { return Ok(None) };
        if mark.len() > MARK_MAX {
            self.remote.wrong("`mark` answers with more than 1,024 bytes");
            return Ok(None);
        }
        Ok(Some(mark))
    }
}

/// On the thread of the instance.
fn carry_out(remote: &Remote, ticket: u64, call: &mut Call) {
    let accepted = remote.call_shared(call.name(), |t, this, error| {
        // SAFETY: functions of its table with its own instance; text and records are there for this call.
        unsafe {
            match call {
                Call::Write(batch, records) => {
                    let raw = records.raw();
                    let stride = size_of::<crate::layout::RawRecord>();
                    let batch = Text::of(batch.as_str());
                    t.write.map_or(-1, |write| write(this, ticket, batch, raw.as_ptr(), raw.len(), stride, error))
                }
                Call::Flush => t.flush.map_or(-1, |flush| flush(this, ticket, error)),
                Call::Close => t.close.map_or(-1, |close| close(this, ticket, error)),
                Call::Resume(mark) => t.resume.map_or(-1, |resume| {
                    let text = mark.as_deref().map_or(Text::EMPTY, Text::of);
                    resume(this, ticket, mark.is_some().into(), text, error)
                }),
            }
        }
    });
    // Refused: no completion follows.
    if let Err(fault) = accepted {
        let (status, message) = fault.into_parts();
        let answer = Answer { status, value: 0, message };
        tickets::complete(&remote.pulse.plugin, ticket, answer);
    }
}

impl Contained {
    pub(super) fn new(
        maker: Maker<SinkTable>,
        containment: &Containment,
        options: &Options,
        context: &BuildContext,
    ) -> Result<Self, BuildError> {
        let succession = Succession::new(maker, containment.on_fault, None, options, context);
        let served = Served::start(succession.make()?)?;
        let mark = served.mark().ok().flatten();
        Ok(Self { now: Some(served), gone: String::new(), renews: false, mark, succession })
    }

    async fn ask(&mut self, call: Call) -> Result<u32, SinkError> {
        self.renew().await?;
        self.ask_present(call).await
    }

    async fn ask_present(&mut self, call: Call) -> Result<u32, SinkError> {
        let name = call.name();
        let Some(served) = &self.now else { return Err(SinkError::permanent(self.gone.clone())) };
        let ticket = Ticket::open(&served.remote.pulse.plugin, self.succession.maker.limit, served.calls.bell());
        if !served.calls.hand_over((ticket.number, call)) {
            return Err(self.lose(name, false));
        }
        let answer = ticket.answer().await;
        drop(ticket);
        match answer.status {
            OK => {
                self.mark = match served.mark() {
                    Ok(mark) => mark,
                    Err(fault) => return Err(self.fail(&fault)),
                };
                Ok(answer.value)
            }
            LOST => Err(self.lose(name, true)),
            PANIC | POISONED => {
                // The panic happened after the call was accepted, so it was not counted by the call.
                served.remote.count_panic();
                Err(self.fail(&Fault::new(name, answer.status, answer.message)))
            }
            status => {
                let mut error = SinkError::permanent(said(&self.succession.maker.who(), name, &answer.message));
                (error.temporary, error.closed) = (status == TEMPORARY, status == CLOSED);
                Err(error)
            }
        }
    }

    /// A call that did not end: nobody knows what the instance still does, so no other one is put beside it.
    fn lose(&mut self, call: &'static str, is_late: bool) -> SinkError {
        let (who, limit) = (self.succession.maker.who(), self.succession.maker.limit);
        let why = if is_late { format!("did not end within {limit:?}") } else { "found its thread gone".into() };
        self.gone = format!("{who}: `{call}` {why}; it is not written to any more");
        if let Some(served) = self.now.take() {
            served.remote.pulse.hung.store(true, std::sync::atomic::Ordering::Relaxed);
        }
        tracing::error!(plugin = self.succession.maker.plugin.header().name, "{}", self.gone);
        SinkError::permanent(self.gone.clone())
    }

    /// A panic: what comes of it is up to config.
    fn fail(&mut self, fault: &Fault) -> SinkError {
        self.gone = format!("{}: {fault}", self.succession.maker.who());
        self.now = None;
        self.renews = self.succession.recreates();
        if !self.renews {
            self.gone.push_str("; it is not written to any more");
        }
        tracing::error!(plugin = self.succession.maker.plugin.header().name, again = self.renews, "{}", self.gone);
        let mut error = SinkError::permanent(self.gone.clone());
        error.temporary = self.renews;
        error
    }

    /// A fresh instance in the place of one that panicked goes on behind the last mark.
    async fn renew(&mut self) -> Result<(), SinkError> {
        if !std::mem::take(&mut self.renews) {
            return Ok(());
        }
        self.succession.resumes();
        let made = self.succession.make().and_then(Served::start);
        let served = made.map_err(|error| SinkError::permanent(error.to_string()))?;
        let can_resume = served.remote.table.resume.is_some();
        self.now = Some(served);
        if can_resume && self.ask_present(Call::Resume(self.mark.clone())).await? == RESUMED_EMPTY {
            let who = self.succession.maker.who();
            self.gone = format!("{who}: a fresh instance does not have what the one before wrote");
            self.now = None;
            return Err(SinkError::permanent(self.gone.clone()));
        }
        tracing::warn!("{}: a fresh instance takes its place", self.succession.maker.who());
        Ok(())
    }
}

fn said(who: &str, call: &str, message: &str) -> String {
    if message.is_empty() { format!("{who}: `{call}` failed") } else { message.to_owned() }
}

#[async_trait]
impl ResultSink for Contained {
    async fn write(&mut self, batch: &BatchId, results: &[JobResult]) -> Result<(), SinkError> {
        let room = self.now.as_ref().and_then(Served::take_room);
        self.ask(Call::Write(batch.clone(), Records::of(results, room))).await.map(drop)
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        self.ask(Call::Flush).await.map(drop)
    }

    fn mark(&self) -> Option<String> {
        self.mark.clone()
    }

    async fn resume(&mut self, mark: Option<&str>) -> Result<Resumed, SinkError> {
        if self.now.as_ref().is_some_and(|now| now.remote.table.resume.is_none()) {
            return Ok(Resumed::AtMark);
        }
        let value = self.ask(Call::Resume(mark.map(str::to_owned))).await?;
        Ok(if value == RESUMED_EMPTY { Resumed::Empty } else { Resumed::AtMark })
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        self.ask(Call::Close).await.map(drop)
    }

    fn summary(&self) -> Option<Value> {
        match self.now.as_ref()?.summary() {
            Ok(summary) => summary,
            // What it wrote is there; what it had to say is not.
            Err(fault) => {
                tracing::warn!("{}: {fault}", self.succession.maker.who());
                None
            }
        }
    }
}

impl fmt::Debug for Contained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.succession.maker.who())
    }
}
