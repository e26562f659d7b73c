//! The plugin's side: safe traits of `batchmill-core` behind the tables of the ABI.
//!
//! Everything here runs inside the dynamic library, on its own copies of all statics: the log and metrics of the library are
//! tied to the host's services when it is loaded, and no panic leaves it.

mod create;
mod failure;
mod governor;
mod guard;
mod home;
mod logs;
mod meters;
mod packed;
mod retry;
mod scheduler;
mod sink;

use std::{
    ffi::c_void,
    mem::size_of,
    sync::{Arc, OnceLock},
};

use batchmill_core::{Factory, FailureStrategy, Governor, ResultSink, RetryPolicy, Scheduler};

use crate::layout::{
    ABI_MAJOR, ExtensionDescriptor, Header, KIND_FAILURE, KIND_GOVERNOR, KIND_RETRY, KIND_SCHEDULER, KIND_SINK,
    KIND_VERSION, MAGIC, PluginDescriptor, Text,
};

/// The factories that a dynamic library has.
#[derive(Default)]
pub struct Exports {
    /// Its schedulers.
    pub schedulers: Vec<Arc<dyn Factory<dyn Scheduler>>>,
    /// Its retry policies.
    pub retry_policies: Vec<Arc<dyn Factory<dyn RetryPolicy>>>,
    /// Its failure strategies.
    pub failure_strategies: Vec<Arc<dyn Factory<dyn FailureStrategy>>>,
    /// Its governors.
    pub governors: Vec<Arc<dyn Factory<dyn Governor>>>,
    /// Its sinks.
    pub sinks: Vec<Arc<dyn Factory<dyn ResultSink>>>,
}

struct Static(*const PluginDescriptor);

// SAFETY: what it points to is never freed and never changed.
unsafe impl Send for Static {}
// SAFETY: as above.
unsafe impl Sync for Static {}

/// The answer of the entry function; null if making the factories panicked.
pub fn describe(header: &'static Header, exports: impl FnOnce() -> Exports) -> *const PluginDescriptor {
    static DESCRIPTOR: OnceLock<Static> = OnceLock::new();
    DESCRIPTOR
        .get_or_init(|| {
            let mut made = std::ptr::null();
            guard::contained(std::ptr::null(), || made = std::ptr::from_ref(descriptor(header, exports())));
            Static(made)
        })
        .0
}

fn descriptor(header: &'static Header, exports: Exports) -> &'static PluginDescriptor {
    let mut extensions = Vec::new();
    extensions.extend(exports.schedulers.into_iter().map(|f| extension(f, KIND_SCHEDULER, &scheduler::TABLE)));
    extensions.extend(exports.retry_policies.into_iter().map(|f| extension(f, KIND_RETRY, &retry::TABLE)));
    extensions.extend(exports.failure_strategies.into_iter().map(|f| extension(f, KIND_FAILURE, &failure::TABLE)));
    extensions.extend(exports.governors.into_iter().map(|f| extension(f, KIND_GOVERNOR, &governor::TABLE)));
    extensions.extend(exports.sinks.into_iter().map(|f| extension(f, KIND_SINK, &sink::TABLE)));
    let extensions: &'static [ExtensionDescriptor] = extensions.leak();
    Box::leak(Box::new(PluginDescriptor {
        size: size_of::<PluginDescriptor>() as u32,
        abi_major: ABI_MAJOR,
        magic: MAGIC,
        header,
        extensions: extensions.as_ptr(),
        extension_count: extensions.len() as u32,
        extension_stride: size_of::<ExtensionDescriptor>() as u32,
        init: Some(home::init),
        shutdown: None,
    }))
}

fn extension<P: ?Sized + 'static, T>(
    factory: Arc<dyn Factory<P>>,
    kind: u32,
    table: &'static T,
) -> ExtensionDescriptor {
    let factory: &'static Arc<dyn Factory<P>> = Box::leak(Box::new(factory));
    ExtensionDescriptor {
        size: size_of::<ExtensionDescriptor>() as u32,
        kind,
        kind_version: KIND_VERSION,
        reserved: 0,
        ctx: std::ptr::from_ref(factory).cast_mut().cast::<c_void>(),
        table: std::ptr::from_ref(table).cast(),
        name: Text::of(factory.name()),
        about: Text::of(factory.about()),
        schema: Some(create::schema::<P>),
        validate: Some(create::validate::<P>),
    }
}
