//! The host that loaded this library.

use std::{ptr::from_ref, sync::OnceLock};

use super::{guard, logs, meters};
use crate::layout::{Completion, ERROR, HostServices, OK, Text, Writer, read_sized};

/// The host's services; only ever set inside a dynamic library.
static HOME: OnceLock<HostServices> = OnceLock::new();

/// Called once by the host, before anything else.
pub(super) unsafe extern "C" fn init(host: *const HostServices, error: *const Writer) -> i32 {
    guard::answered(error, || {
        // SAFETY: the host's table, valid until the process ends.
        let Some(services) = (unsafe { read_sized(host) }) else { return ERROR };
        if HOME.set(services).is_ok() {
            logs::install();
            meters::install();
        }
        OK
    })
}

fn services() -> Option<&'static HostServices> {
    HOME.get()
}

/// Whether the host keeps records of this level.
pub(super) fn log_enabled(level: u32, target: &str) -> bool {
    let Some(home) = services() else { return false };
    // SAFETY: the host's own function with its own context; borrowed text for the call.
    home.log_enabled.is_some_and(|ask| unsafe { ask(home.ctx, level, Text::of(target)) } == 1)
}

/// Hands a record to the host's log.
pub(super) fn log(level: u32, target: &str, message: &str, fields: &str) {
    if let Some(home) = services()
        && let Some(log) = home.log
    {
        // SAFETY: as above.
        unsafe { log(home.ctx, level, Text::of(target), Text::of(message), Text::of(fields)) }
    }
}

/// Makes a metric known to the host; 0 where it is refused.
pub(super) fn metric_register(kind: u32, name: &str, labels: &str) -> u64 {
    let Some(home) = services() else { return 0 };
    // SAFETY: as above.
    home.metric_register.map_or(0, |register| unsafe { register(home.ctx, kind, Text::of(name), Text::of(labels)) })
}

/// Counts.
pub(super) fn metric_update(id: u64, operation: u32, value: f64) {
    if id != 0
        && let Some(home) = services()
        && let Some(update) = home.metric_update
    {
        // SAFETY: as above.
        unsafe { update(home.ctx, id, operation, value) }
    }
}

/// A call of a sink has ended.
pub(super) fn complete(ticket: u64, status: i32, value: u32, message: &str) {
    if let Some(home) = services()
        && let Some(complete) = home.complete
    {
        let completion =
            Completion { size: size_of::<Completion>() as u32, status, value, reserved: 0, message: Text::of(message) };
        // SAFETY: as above; the completion is read before the call returns.
        unsafe { complete(home.ctx, ticket, from_ref(&completion)) }
    }
}
