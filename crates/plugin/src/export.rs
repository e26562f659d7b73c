//! The same crate as a dynamic library.

use batchmill_abi::guest::Exports;
use batchmill_core::{FailureStrategy, Governor, ResultSink, RetryPolicy, Scheduler};

use crate::{Pluggable, Registry};

/// What `register` adds to a registry, as a dynamic library tells it. Metrics exporters, nodes, stores and checkpointers are
/// left out: their kinds are not frozen in the ABI.
pub fn exports(register: fn(&mut Registry)) -> Exports {
    let mut registry = Registry::default();
    register(&mut registry);
    Exports {
        schedulers: all::<dyn Scheduler>(&registry),
        retry_policies: all::<dyn RetryPolicy>(&registry),
        failure_strategies: all::<dyn FailureStrategy>(&registry),
        governors: all::<dyn Governor>(&registry),
        sinks: all::<dyn ResultSink>(&registry),
    }
}

fn all<P: ?Sized + Pluggable>(registry: &Registry) -> Vec<std::sync::Arc<dyn batchmill_core::Factory<P>>> {
    registry.all::<P>().values().cloned().collect()
}

/// Makes a plugin crate loadable at run time, from the same source that links statically.
///
/// `export_plugin!(register, [scheduler])`: the function that adds the plugin to a [`Registry`], and the kinds of what it
/// adds (`scheduler`, `retry`, `failure`, `governor`, `sink`), which stand in the file's header.
///
/// It is nothing unless the crate is built as
///
/// ```console
/// $ cargo rustc -p CRATE --lib --crate-type cdylib --release -- --cfg batchmill_export
/// ```
///
/// The name and the version of the plugin are those of its package. A crate outside the workspace of Batchmill tells rustc that
/// it knows the switch:
///
/// ```toml
/// [lints.rust]
/// unexpected_cfgs = { level = "warn", check-cfg = ["cfg(batchmill_export)"] }
/// ```
///
/// Inside a dynamic library, `tracing` and `metrics` reach the host with the label `plugin`, panics end the call and not the
/// host, and a sink runs on a thread and a tokio runtime of its own.
#[macro_export]
macro_rules! export_plugin {
    ($register:path, [$($kind:ident),+ $(,)?]) => {
        #[cfg(batchmill_export)]
        $crate::abi::export! {
            kinds: $($crate::export_plugin!(@bit $kind))|+,
            exports: $crate::exports($register)
        }
    };
    (@bit scheduler) => { (1 << $crate::abi::layout::KIND_SCHEDULER) };
    (@bit retry) => { (1 << $crate::abi::layout::KIND_RETRY) };
    (@bit failure) => { (1 << $crate::abi::layout::KIND_FAILURE) };
    (@bit governor) => { (1 << $crate::abi::layout::KIND_GOVERNOR) };
    (@bit sink) => { (1 << $crate::abi::layout::KIND_SINK) };
}
