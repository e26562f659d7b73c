//! Where results go: [`batchmill_core::ResultSink`].

use std::ffi::c_void;

use super::{BuildInfo, Text, Writer, shape::abi_structs};

abi_structs! {
    /// The record of a job's end.
    RawRecord = "bm_record" {
        /// The size of this struct.
        size: u32,
        /// `STATUS_*`.
        status: u32,
        /// Its place in submission order.
        sequence: u64,
        /// Attempts that ended by themselves.
        attempts: u32,
        /// 0 to 255.
        priority: u32,
        /// Microseconds since 1970.
        queued_at_us: i64,
        /// Microseconds since 1970; the smallest number for a job that never started.
        started_at_us: i64,
        /// Microseconds since 1970.
        finished_at_us: i64,
        /// From acceptance to the first start.
        queued_ns: u64,
        /// From the first start to the end.
        duration_ns: u64,
        /// The job.
        job_id: Text,
        /// Who it belongs to.
        tenant: Text,
        /// JSON; empty for none.
        output: Text,
        /// A JSON object; empty for none.
        error: Text,
    }

    /// The functions of a sink. One call at a time: the next comes when the ticket of the one before is complete. Each call
    /// returns soon, with `OK` for *accepted, the ticket will be completed*; with anything else no completion follows. What
    /// is kept is copied.
    SinkTable = "bm_sink" {
        /// The size of this struct.
        size: u32,
        /// Zero.
        reserved: u32,
        /// Makes an instance. `options` is a JSON object that `validate` has seen.
        create: Option<
            unsafe extern "C" fn(*mut c_void, options: Text, *const BuildInfo, out: *mut *mut c_void, *const Writer) -> i32,
        >,
        /// Ends an instance: the last call.
        destroy: Option<unsafe extern "C" fn(*mut c_void) -> i32>,
        /// Takes results, `stride` bytes apart.
        write: Option<
            unsafe extern "C" fn(
                *mut c_void,
                ticket: u64,
                batch: Text,
                *const RawRecord,
                count: usize,
                stride: usize,
                *const Writer,
            ) -> i32,
        >,
        /// Makes what was written durable.
        flush: Option<unsafe extern "C" fn(*mut c_void, ticket: u64, *const Writer) -> i32>,
        /// Flushes and lets go.
        close: Option<unsafe extern "C" fn(*mut c_void, ticket: u64, *const Writer) -> i32>,
        /// Goes on where an earlier host stopped. Null: there is nothing to take back.
        resume: Option<unsafe extern "C" fn(*mut c_void, ticket: u64, has_mark: u32, mark: Text, *const Writer) -> i32>,
        /// Stands for everything that was written; `NONE` without. Not called while a ticket is open. Null: none.
        mark: Option<unsafe extern "C" fn(*mut c_void, mark: *const Writer, *const Writer) -> i32>,
        /// What it has to say about the batch, as JSON; `NONE` for nothing. Asked for after `close`. Null: nothing. Since 1.1.
        summary: Option<unsafe extern "C" fn(*mut c_void, json: *const Writer, *const Writer) -> i32>,
    }
}
