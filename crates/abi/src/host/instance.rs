//! One instance of an extension, and a call of it.

use std::{
    ffi::c_void,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use batchmill_core::{BuildContext, BuildError, Options};
use metrics::counter;

use super::{Extension, Plugin, offload, pulse::Pulse, warden};
use crate::{
    layout::{BuildInfo, CONFIG, OK, PANIC, POISONED, Text, Writer},
    problems,
    text::Buffer,
};

/// How long the end of an instance is waited for.
const DESTROY_LIMIT: Duration = Duration::from_secs(1);

/// One call in so many is timed: reading the clock twice costs more than the boundary.
const TIMED_ONE_IN: u64 = 64;

/// What a decision may take.
const BUDGET: Duration = Duration::from_micros(50);

/// From so many on it is said that an instance is slow.
const SLOW_CALLS_TOLD: u32 = 8;

pub(super) type Create =
    unsafe extern "C" fn(*mut c_void, Text, *const BuildInfo, *mut *mut c_void, *const Writer) -> i32;
pub(super) type Destroy = unsafe extern "C" fn(*mut c_void) -> i32;

/// Why a call did not do what it is for. As small as a pointer: it is part of the answer of every call that did.
#[derive(Debug, Clone)]
pub(super) struct Fault(Box<Told>);

#[derive(Debug, Clone)]
struct Told {
    call: &'static str,
    code: i32,
    message: String,
}

impl Fault {
    #[cold]
    pub(super) fn new(call: &'static str, code: i32, message: String) -> Self {
        Self(Box::new(Told { call, code, message }))
    }

    /// The code and what was said.
    pub(super) fn into_parts(self) -> (i32, String) {
        (self.0.code, self.0.message)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Told { call, code, message } = &*self.0;
        let what = match *code {
            PANIC => "panicked",
            POISONED => "had panicked before",
            _ => "failed",
        };
        write!(f, "`{call}` {what}")?;
        if message.is_empty() { Ok(()) } else { write!(f, ": {message}") }
    }
}

/// What all instances of an extension share.
#[derive(Clone)]
pub(super) struct Maker<T> {
    pub(super) plugin: Arc<Plugin>,
    /// The place of the extension among those of the plugin.
    pub(super) place: usize,
    pub(super) table: T,
    pub(super) create: Create,
    pub(super) destroy: Destroy,
    /// Whether the warden watches it: decisions are made under a lock.
    pub(super) is_decision: bool,
    pub(super) limit: Duration,
}

/// A pointer of the plugin, which it alone follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Handle(usize);

impl Handle {
    pub(super) fn get(self) -> *mut c_void {
        self.0 as *mut c_void
    }
}

/// An instance.
pub(super) struct Instance<T> {
    pub(super) table: T,
    handle: Handle,
    destroy: Destroy,
    pub(super) pulse: Arc<Pulse>,
    /// Others wait for it: it has a budget.
    is_decision: bool,
    slow: AtomicU32,
    /// Whether its panic is counted: after one it is not called any more.
    panicked: AtomicBool,
}

/// Counts for a plugin. The handle is asked for each time: a policy may be made before there is a recorder, and faults are rare.
fn count(family: &'static str, plugin: &str) {
    counter!(family, "name" => plugin.to_owned()).increment(1);
}

const PANICS: &str = "batchmill_plugin_panics_total";
const SLOW: &str = "batchmill_plugin_slow_calls_total";
const WRONG: &str = "batchmill_plugin_wrong_answers_total";

impl<T: Copy> Maker<T> {
    pub(super) fn extension(&self) -> &Extension {
        &self.plugin.extensions()[self.place]
    }

    /// For people.
    pub(super) fn who(&self) -> String {
        let extension = self.extension();
        format!("plugin {} ({} {})", self.plugin.header().name, extension.kind, extension.name)
    }

    pub(super) fn make(&self, options: &Options, context: &BuildContext) -> Result<Instance<T>, BuildError> {
        let handle = self.create(options, context)?;
        let pulse = Arc::new(Pulse::new(&self.plugin.header().name, self.who()));
        if self.is_decision {
            warden::watch(&pulse);
        }
        Ok(Instance {
            table: self.table,
            handle,
            destroy: self.destroy,
            pulse,
            is_decision: self.is_decision,
            slow: AtomicU32::new(0),
            panicked: AtomicBool::new(false),
        })
    }

    /// On a thread of its own: it may hang.
    fn create(&self, options: &Options, context: &BuildContext) -> Result<Handle, BuildError> {
        let options = serde_json::to_string(options).unwrap_or_else(|_| "{}".to_owned());
        let directory = context.directory.to_string_lossy().into_owned();
        let (create, ctx, resumes) = (self.create, self.extension().ctx, u32::from(context.resumes));
        let made = offload::within(self.limit, move || {
            let (mut said, mut out) = (Buffer::default(), std::ptr::null_mut());
            let writer = said.writer();
            let size = size_of::<BuildInfo>() as u32;
            let info = BuildInfo { size, resumes, directory: Text::of(&directory) };
            // SAFETY: its own context; text, info, place and writer for this call.
            let code = unsafe {
                create(ctx as *mut c_void, Text::of(&options), &raw const info, &raw mut out, &raw const writer)
            };
            (code, out as usize, said.into_text())
        });
        match made {
            Some((OK, handle, _)) if handle != 0 => Ok(Handle(handle)),
            Some((CONFIG, _, said)) => Err(BuildError::Options(problems::from_json(&said))),
            Some((code, _, message)) => {
                if code == PANIC {
                    count(PANICS, &self.plugin.header().name);
                }
                let fault = Fault::new("create", code, message);
                Err(BuildError::environment(format!("{}: {fault}", self.who())))
            }
            None => Err(BuildError::environment(format!("{}: `create` does not return", self.who()))),
        }
    }
}

impl<T> Instance<T> {
    /// Calls an instance that one caller at a time has.
    pub(super) fn call(
        &self,
        name: &'static str,
        call: impl FnOnce(&T, *mut c_void, *const Writer) -> i32,
    ) -> Result<i32, Fault> {
        let is_timed = self.pulse.begin().is_multiple_of(TIMED_ONE_IN);
        let mut said = Buffer::default();
        let writer = said.writer();
        let run = || call(&self.table, self.handle.get(), &raw const writer);
        let code = if is_timed { self.timed(name, run) } else { run() };
        self.pulse.end();
        if code >= 0 { Ok(code) } else { Err(self.fault(name, code, said)) }
    }

    /// The same for an instance that callers share.
    pub(super) fn call_shared(
        &self,
        name: &'static str,
        call: impl FnOnce(&T, *mut c_void, *const Writer) -> i32,
    ) -> Result<i32, Fault> {
        let is_timed = self.pulse.begin_shared().is_multiple_of(TIMED_ONE_IN);
        let mut said = Buffer::default();
        let writer = said.writer();
        let run = || call(&self.table, self.handle.get(), &raw const writer);
        let code = if is_timed { self.timed(name, run) } else { run() };
        self.pulse.end_shared();
        if code >= 0 { Ok(code) } else { Err(self.fault(name, code, said)) }
    }

    #[cold]
    fn fault(&self, call: &'static str, code: i32, said: Buffer) -> Fault {
        if matches!(code, PANIC | POISONED) {
            self.count_panic();
        }
        Fault::new(call, code, said.into_text())
    }

    /// One call in many. Apart from the others, which would keep registers for it.
    #[cold]
    #[inline(never)]
    fn timed(&self, name: &'static str, run: impl FnOnce() -> i32) -> i32 {
        let began = Instant::now();
        let code = run();
        self.time(name, began.elapsed());
        code
    }

    fn time(&self, call: &'static str, took: Duration) {
        if !self.is_decision || took <= BUDGET {
            return;
        }
        count(SLOW, &self.pulse.plugin);
        if self.slow.fetch_add(1, Ordering::Relaxed) + 1 == SLOW_CALLS_TOLD {
            tracing::warn!(
                plugin = self.pulse.plugin,
                call,
                ?took,
                "{}: {SLOW_CALLS_TOLD} of the calls that were timed took longer than {BUDGET:?}",
                self.pulse.who
            );
        }
    }

    /// An answer that cannot be: counted, and said.
    #[cold]
    pub(super) fn wrong(&self, what: &str) {
        count(WRONG, &self.pulse.plugin);
        tracing::warn!(plugin = self.pulse.plugin, "{}: {what}", self.pulse.who);
    }

    /// Counts its panic, once, whichever call tells of it first.
    pub(super) fn count_panic(&self) {
        if !self.panicked.swap(true, Ordering::Relaxed) {
            count(PANICS, &self.pulse.plugin);
        }
    }
}

impl<T> Drop for Instance<T> {
    fn drop(&mut self) {
        if self.pulse.hung.load(Ordering::Relaxed) || self.pulse.stuck_after().is_some() {
            // A call is inside it: what it has stays in memory.
            return;
        }
        let (destroy, handle) = (self.destroy, self.handle);
        // SAFETY: the last call of an instance, with no other running.
        let ended = offload::within(DESTROY_LIMIT, move || unsafe { destroy(handle.get()) });
        match ended {
            Some(OK) => {}
            Some(code) => {
                if code == PANIC {
                    count(PANICS, &self.pulse.plugin);
                }
                tracing::warn!(plugin = self.pulse.plugin, code, "{}: `destroy` did not end well", self.pulse.who);
            }
            None => tracing::warn!(plugin = self.pulse.plugin, "{}: `destroy` is not waited for", self.pulse.who),
        }
    }
}

impl<T> fmt::Debug for Instance<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pulse.who)
    }
}
