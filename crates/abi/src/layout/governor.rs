//! How many attempts may run at once: [`batchmill_core::Governor`].

use std::ffi::c_void;

use super::{BuildInfo, Text, Writer, shape::abi_structs};

abi_structs! {
    /// What the host measured. A ratio that is not known is not a number (NaN).
    RawLoadSample = "bm_load_sample" {
        /// The size of this struct.
        size: u32,
        /// Attempts running now.
        in_flight: u32,
        /// When it was taken, in nanoseconds.
        at: u64,
        /// Time covered.
        interval_ns: u64,
        /// Jobs queued now.
        queued: u64,
        /// Attempts that ended since the last sample.
        finished: u64,
        /// Of these, how many failed.
        failed: u64,
        /// Observed over expected attempt time.
        latency_ratio: f64,
        /// Used over allowed memory.
        memory_ratio: f64,
        /// Used over available CPU.
        cpu_ratio: f64,
        /// PSI `some avg10`, 0 to 100.
        memory_pressure: f64,
        /// Of those that failed: in a way that too much load may cause. Since 1.1.
        strained: u64,
        /// Of these: were asked to come back later. Since 1.1.
        throttled: u64,
    }

    /// An answer of `adjust`.
    RawAdjustment = "bm_adjustment" {
        /// The size of this struct.
        size: u32,
        /// Attempts that may run at once, at least 1.
        limit: u32,
    }

    /// The functions of a governor: one call at a time.
    GovernorTable = "bm_governor" {
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
        /// Reads one sample; `NONE` leaves the limit. `reason` is one word of a closed set.
        adjust: Option<
            unsafe extern "C" fn(
                *mut c_void,
                *const RawLoadSample,
                current: u32,
                *mut RawAdjustment,
                reason: *const Writer,
                *const Writer,
            ) -> i32,
        >,
        /// How often it is asked, in nanoseconds, at least 100 ms; `NONE`: never. Asked once an instance. Null: each second.
        /// Since 1.1.
        window: Option<unsafe extern "C" fn(*mut c_void, *mut u64, *const Writer) -> i32>,
        /// The least and the largest limit that it answers. Asked once an instance. Null: from 1 on. Since 1.1.
        range: Option<unsafe extern "C" fn(*mut c_void, least: *mut u32, most: *mut u32, *const Writer) -> i32>,
    }
}
