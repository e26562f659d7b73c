//! The host's side: checks a file before any of its code runs, loads it once and for ever, and makes the traits of
//! `batchmill-core` of it again.
//!
//! ```text
//! path ─► place (owner, mode, symlinks) ─► bytes ─► pin ─► elf (bounds, machine, symbol, header) ─► dlopen of these bytes
//!      ─► descriptor ─► init(services) ─► factories ─► create ─► calls ─► destroy          (no dlclose)
//! ```

mod contain;
mod descriptor;
mod desk;
mod elf;
mod error;
mod factory;
mod failure;
mod governor;
mod header;
mod instance;
mod json;
mod load;
mod offload;
mod pin;
mod place;
mod plugin;
mod pulse;
mod records;
mod retry;
mod scheduler;
mod services;
mod shadow;
mod shares;
mod sink;
mod succession;
mod tickets;
mod warden;

pub use contain::{Containment, Fallbacks, OnFault};
pub use error::{FileProblem, LoadError};
pub use factory::Remote;
pub use header::{Inspected, inspect};
pub use load::{LoadRequest, load};
pub use pin::{BadPin, Pin};
pub use plugin::{Extension, Plugin};
pub use warden::{Hang, on_hang};

/// Tells the plugins that the host ends. From here on their logs, metrics and completions are ignored.
pub fn close_services() {
    services::close();
}
