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
    }
}
