//! What lies in memory on both sides. **Frozen**: fields and functions are appended at the end of a struct, with a new minor
//! version; none is ever removed, moved, retyped or given another meaning.

mod codes;
mod descriptor;
mod failure;
mod governor;
mod header;
mod retry;
mod scheduler;
mod services;
mod shape;
mod sink;
mod sized;

pub use codes::*;
pub use descriptor::{BuildInfo, ExtensionDescriptor, PluginDescriptor};
pub use failure::{FailureTable, RawDirective, RawFinalResult};
pub use governor::{GovernorTable, RawAdjustment, RawLoadSample};
pub use header::{FLAG_DEBUG, FLAG_PANIC_ABORT, FLAG_THREADS, Header};
pub use retry::{RawBudget, RawFailedAttempt, RawRetryDecision, RetryTable};
pub use scheduler::{
    CAN_HOLD, CHARGES_MEMORY, HAS_SHARES, RawEntry, RawPick, RawShareUsage, RawUsage, RawUsageMemory, SKIPS_FINISH,
    SchedulerTable, ShareWriter, USED_CPU, USED_MEMORY,
};
pub use services::{Completion, HostServices, Text, Writer};
pub use shape::{Plain, Shape};
pub use sink::{RawRecord, SinkTable};
pub(crate) use sized::{read_sized, set_sized, with_sized, write_sized};

/// "BMPLUGIN" as a number of 64 bits, most significant byte first.
pub const MAGIC: u64 = 0x424d_504c_5547_494e;

/// The major version: another one is another entry symbol.
pub const ABI_MAJOR: u32 = 1;

/// The minor version: grows with each field or function that is appended.
pub const ABI_MINOR: u32 = 1;

/// The section of the file that has the header.
pub const SECTION: &str = ".bmplugin";

/// The one function that a plugin exports.
pub const ENTRY: &str = "bm_plugin_v1";

/// No moment, no deadline.
pub const NEVER: u64 = u64::MAX;

/// Every struct of the ABI.
pub fn shapes() -> Vec<Shape> {
    vec![
        Text::shape(),
        Writer::shape(),
        Header::shape(),
        HostServices::shape(),
        Completion::shape(),
        PluginDescriptor::shape(),
        ExtensionDescriptor::shape(),
        BuildInfo::shape(),
        RawEntry::shape(),
        RawUsage::shape(),
        RawPick::shape(),
        RawShareUsage::shape(),
        ShareWriter::shape(),
        RawUsageMemory::shape(),
        SchedulerTable::shape(),
        RawFailedAttempt::shape(),
        RawRetryDecision::shape(),
        RawBudget::shape(),
        RetryTable::shape(),
        RawFinalResult::shape(),
        RawDirective::shape(),
        FailureTable::shape(),
        RawLoadSample::shape(),
        RawAdjustment::shape(),
        GovernorTable::shape(),
        RawRecord::shape(),
        SinkTable::shape(),
    ]
}
