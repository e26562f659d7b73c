//! A plugin that is broken on purpose, for tests of hosts that load it. Each of its five extensions is called `faulty` and does
//! what its option `fault` says, from the call on that `after` names; without a fault it keeps its contract.

mod failure;
mod governor;
mod options;
mod retry;
mod scheduler;
mod sink;

use batchmill_plugin::{Registry, TypedFactory, core};
use core::{BuildError, Factory, FailureStrategy, Governor, ResultSink, RetryPolicy, Scheduler};

pub use options::{Fault, Method, Options};

/// Adds everything.
pub fn register(registry: &mut Registry) {
    registry.register::<dyn Scheduler>(extension("first in, first out", |options| {
        Box::new(scheduler::Faulty::new(options)) as Box<dyn Scheduler>
    }));
    registry.register::<dyn RetryPolicy>(extension("three attempts", |options| {
        Box::new(retry::Faulty::new(options)) as Box<dyn RetryPolicy>
    }));
    registry.register::<dyn FailureStrategy>(extension("never stops", |options| {
        Box::new(failure::Faulty::new(options)) as Box<dyn FailureStrategy>
    }));
    registry.register::<dyn Governor>(extension("leaves the limit", |options| {
        Box::new(governor::Faulty::new(options)) as Box<dyn Governor>
    }));
    registry.register::<dyn ResultSink>(extension("counts results", |options| {
        Box::new(sink::Faulty::new(options)) as Box<dyn ResultSink>
    }));
}

fn extension<P: ?Sized + 'static>(about: &'static str, make: fn(Options) -> Box<P>) -> impl Factory<P> {
    TypedFactory::new("faulty", about, move |options, _| made(&options).map(|()| make(options)))
        .check(Options::problems)
}

batchmill_plugin::export_plugin!(register, [scheduler, retry, failure, governor, sink]);

/// Faults of the making.
fn made(options: &Options) -> Result<(), BuildError> {
    tracing::info!(fault = ?options.fault, "made");
    match options.fault {
        Fault::PanicCreate => {
            std::panic::set_hook(Box::new(|_| {}));
            panic!("it panics while it is made")
        }
        Fault::RefuseCreate => Err(BuildError::environment("its port is taken")),
        _ => Ok(()),
    }
}
