//! Which job is next: [`batchmill_core::Scheduler`].

use std::ffi::c_void;

use super::{BuildInfo, Text, Writer, shape::abi_structs};

/// Bit of `capabilities`: `hold` and `release` are implemented.
pub const CAN_HOLD: u64 = 1;
/// Bit of `capabilities`: it divides by shares. Since 1.1.
pub const HAS_SHARES: u64 = 2;
/// Bit of `capabilities`: shares are charged by memory, so that it is worth to look at it. Since 1.1.
pub const CHARGES_MEMORY: u64 = 4;
/// Bit of `capabilities`: ends of attempts change nothing, `on_finish` need not be called. Since 1.1.
pub const SKIPS_FINISH: u64 = 8;

/// Bit of [`RawUsage::measured`].
pub const USED_MEMORY: u64 = 1;
/// Bit of [`RawUsage::measured`].
pub const USED_CPU: u64 = 2;

abi_structs! {
    /// A queued job: keys only.
    RawEntry = "bm_entry" {
        /// The size of this struct.
        size: u32,
        /// Jobs that are held together.
        class_id: u32,
        /// Stands for the job.
        token: u64,
        /// Whose share it counts against, as a path (`org/team/user`).
        share: Text,
        /// Its weight in that share: finite and above 0.
        cost: f64,
        /// When it was first queued, in nanoseconds.
        enqueued: u64,
        /// When it must have ended; `NEVER` for none.
        deadline: u64,
        /// 0 to 255, larger is sooner.
        priority: u64,
    }

    /// What an attempt used.
    RawUsage = "bm_usage" {
        /// The size of this struct.
        size: u32,
        /// Zero.
        reserved: u32,
        /// How long it held its slot.
        ran_ns: u64,
        /// Bits of what else was measured; since 1.1.
        measured: u64,
        /// With `USED_MEMORY`: the most memory that its processes held at once, in bytes.
        peak_memory: u64,
        /// With `USED_CPU`: how long its processes kept a CPU busy.
        cpu_ns: u64,
    }

    /// What a share used; since 1.1.
    RawShareUsage = "bm_share_usage" {
        /// The size of this struct.
        size: u32,
        /// Zero.
        reserved: u32,
        /// The share, as entries name it.
        share: Text,
        /// How much: finite and not below 0.
        amount: f64,
    }

    /// The way for what shares used out of a plugin: one call a share. Since 1.1. The host takes a million a call.
    ShareWriter = "bm_share_writer" {
        /// The size of this struct.
        size: u32,
        /// Zero.
        reserved: u32,
        /// The first argument of `write`.
        ctx: *mut c_void,
        /// Adds one.
        write: Option<unsafe extern "C" fn(ctx: *mut c_void, used: *const RawShareUsage) -> i32>,
    }

    /// How use is remembered; since 1.1.
    RawUsageMemory = "bm_usage_memory" {
        /// The size of this struct.
        size: u32,
        /// Zero.
        reserved: u32,
        /// After this time an amount counts half. Above 0.
        half_life_ns: u64,
    }

    /// An answer of `pop`.
    RawPick = "bm_pick" {
        /// The size of this struct.
        size: u32,
        /// `PICK_*`.
        answer: u32,
        /// A token, or a moment.
        value: u64,
    }

    /// The functions of a scheduler: one call at a time.
    SchedulerTable = "bm_scheduler" {
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
        /// Bits of what is implemented; null is none.
        capabilities: Option<unsafe extern "C" fn(*mut c_void) -> u64>,
        /// Queues a job.
        push: Option<unsafe extern "C" fn(*mut c_void, *const RawEntry, *const Writer) -> i32>,
        /// Takes out the job that starts next.
        pop: Option<unsafe extern "C" fn(*mut c_void, now: u64, *mut RawPick, *const Writer) -> i32>,
        /// Takes out a certain job; `NONE` if it is not here.
        remove: Option<unsafe extern "C" fn(*mut c_void, token: u64, *const Writer) -> i32>,
        /// How many jobs are queued.
        len: Option<unsafe extern "C" fn(*mut c_void, *mut u64, *const Writer) -> i32>,
        /// An attempt has ended. Null: it does not want to know. Not called, or called, with [`SKIPS_FINISH`].
        on_finish: Option<unsafe extern "C" fn(*mut c_void, token: u64, *const RawUsage, *const Writer) -> i32>,
        /// A class is not picked until it is released. Null without [`CAN_HOLD`].
        hold: Option<unsafe extern "C" fn(*mut c_void, class: u32, *const Writer) -> i32>,
        /// A class may be picked again. Null without [`CAN_HOLD`].
        release: Option<unsafe extern "C" fn(*mut c_void, class: u32, *const Writer) -> i32>,
        /// Where a queued job stands: jobs ahead of it (`NEVER`: not known) and a clause. `NONE` if it is not here. Null: it
        /// does not say.
        explain:
            Option<unsafe extern "C" fn(*mut c_void, token: u64, now: u64, *mut u64, *const Writer, *const Writer) -> i32>,
        /// Queues many, `stride` bytes apart. Null: `push` one by one.
        push_many:
            Option<unsafe extern "C" fn(*mut c_void, *const RawEntry, count: usize, stride: usize, *const Writer) -> i32>,
        /// Takes out up to `max` tokens; `picked` is how many, `last` why it stopped early (`PICK_RUN`: it did not). Null:
        /// `pop` one by one.
        pop_many: Option<
            unsafe extern "C" fn(
                *mut c_void,
                now: u64,
                max: usize,
                tokens: *mut u64,
                picked: *mut usize,
                last: *mut RawPick,
                *const Writer,
            ) -> i32,
        >,
        /// The weight of a share. This and what follows: since 1.1, none of it null with [`HAS_SHARES`].
        weight: Option<unsafe extern "C" fn(*mut c_void, share: Text, *mut f64, *const Writer) -> i32>,
        /// Changes the weight of a share; `NONE`: it cannot be, and `why` says so.
        set_weight: Option<
            unsafe extern "C" fn(*mut c_void, share: Text, weight: f64, why: *const Writer, *const Writer) -> i32,
        >,
        /// How use is remembered, and the word for what amounts count; `NONE`: it is not. Asked once an instance.
        memory: Option<
            unsafe extern "C" fn(*mut c_void, *mut RawUsageMemory, unit: *const Writer, *const Writer) -> i32,
        >,
        /// What shares used elsewhere or before, `stride` bytes apart.
        recall: Option<
            unsafe extern "C" fn(
                *mut c_void,
                now: u64,
                *const RawShareUsage,
                count: usize,
                stride: usize,
                *const Writer,
            ) -> i32,
        >,
        /// Hands out what was used since it was last asked.
        take_usage: Option<unsafe extern "C" fn(*mut c_void, *const ShareWriter, *const Writer) -> i32>,
    }
}
