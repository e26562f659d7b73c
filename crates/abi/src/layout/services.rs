//! Text, the way back for text, and what the host offers a plugin.

use std::ffi::c_void;

use super::shape::abi_structs;

abi_structs! {
    /// UTF-8 text of the other side, valid until the call returns; never ends with a zero by contract.
    Text = "bm_str" {
        /// The first byte; may be null where the length is 0.
        ptr: *const u8,
        /// Bytes.
        len: usize,
    }

    /// The only way for text out of a plugin: the caller's buffer behind a function. May be called several times; what is
    /// written is appended. The host takes 1 MiB a call and answers `ERROR` to what is beyond.
    Writer = "bm_writer" {
        /// The size of this struct.
        size: u32,
        /// Zero.
        reserved: u32,
        /// The first argument of `write`.
        ctx: *mut c_void,
        /// Appends text.
        write: Option<unsafe extern "C" fn(ctx: *mut c_void, text: Text) -> i32>,
    }

    /// How a call of a sink ended.
    Completion = "bm_completion" {
        /// The size of this struct.
        size: u32,
        /// `OK`, `ERROR`, `TEMPORARY`, `CLOSED` or `PANIC`.
        status: i32,
        /// Of `resume`: `RESUMED_*`.
        value: u32,
        /// Zero.
        reserved: u32,
        /// A sentence, unless it is `OK`.
        message: Text,
    }

    /// What the host offers. Valid until the process ends; every function may be called from any thread, also inside a call
    /// from the host, and none blocks.
    HostServices = "bm_host" {
        /// The size of this struct.
        size: u32,
        /// The minor version of the host.
        abi_minor: u32,
        /// The first argument of every function.
        ctx: *mut c_void,
        /// Whether a record of this level would be kept: ask each time, levels change. 1 or 0.
        log_enabled: Option<unsafe extern "C" fn(ctx: *mut c_void, level: u32, target: Text) -> i32>,
        /// Writes a log record; `fields` is a JSON object, or empty.
        log: Option<unsafe extern "C" fn(ctx: *mut c_void, level: u32, target: Text, message: Text, fields: Text)>,
        /// Makes a metric known and answers with its id; 0 where it is refused. `labels` is a JSON object of texts, or empty.
        metric_register:
            Option<unsafe extern "C" fn(ctx: *mut c_void, kind: u32, name: Text, labels: Text) -> u64>,
        /// Counts.
        metric_update: Option<unsafe extern "C" fn(ctx: *mut c_void, id: u64, operation: u32, value: f64)>,
        /// A call of a sink has ended. A ticket completes once; what is not known is counted and ignored.
        complete: Option<unsafe extern "C" fn(ctx: *mut c_void, ticket: u64, completion: *const Completion)>,
        /// Whether the host is about to end. 1 or 0.
        shutting_down: Option<unsafe extern "C" fn(ctx: *mut c_void) -> i32>,
        /// Nanoseconds on a clock that never goes back, from an unknown beginning.
        now_ns: Option<unsafe extern "C" fn(ctx: *mut c_void) -> u64>,
    }
}

impl Text {
    /// No text.
    pub const EMPTY: Self = Self { ptr: std::ptr::null(), len: 0 };

    /// Borrows a text for a call.
    pub const fn of(text: &str) -> Self {
        Self { ptr: text.as_ptr(), len: text.len() }
    }

    /// The bytes.
    ///
    /// # Safety
    /// The other side promises that they are there for the length of `'a`.
    pub(crate) unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.ptr.is_null() || self.len == 0 {
            return &[];
        }
        // SAFETY: not null, and readable as the caller promises.
        unsafe { std::slice::from_raw_parts(self.ptr, self.len) }
    }
}

// SAFETY: the functions may be called from any thread, and `ctx` is only ever handed to them.
unsafe impl Send for HostServices {}
// SAFETY: as above.
unsafe impl Sync for HostServices {}
