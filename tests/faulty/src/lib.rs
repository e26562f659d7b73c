//! A plugin that is broken on purpose, for tests of hosts that load it. Each of its five extensions is called `faulty` and does
//! what its option `fault` says, from the call on that `after` names; without a fault it keeps its contract.

mod failure;
mod governor;
mod options;
mod retry;
mod scheduler;
mod sink;

use batchmill_plugin::{Registry, TypedFactory, core};
use core::{BuildError, FailureStrategy, Governor, ResultSink, RetryPolicy, Scheduler};

pub use options::{Fault, Options};

/// Adds everything.
pub fn register(registry: &mut Registry) {
    registry.register::<dyn Scheduler>(TypedFactory::new("faulty", "first in, first out", |options, _| {
        made(&options).map(|()| Box::new(scheduler::Faulty::new(options)) as Box<dyn Scheduler>)
    }));
    registry.register::<dyn RetryPolicy>(TypedFactory::new("faulty", "three attempts", |options, _| {
        made(&options).map(|()| Box::new(retry::Faulty::new(options)) as Box<dyn RetryPolicy>)
    }));
    registry.register::<dyn FailureStrategy>(TypedFactory::new("faulty", "never stops", |options, _| {
        made(&options).map(|()| Box::new(failure::Faulty::new(options)) as Box<dyn FailureStrategy>)
    }));
    registry.register::<dyn Governor>(TypedFactory::new("faulty", "leaves the limit", |options, _| {
        made(&options).map(|()| Box::new(governor::Faulty::new(options)) as Box<dyn Governor>)
    }));
    registry.register::<dyn ResultSink>(TypedFactory::new("faulty", "counts results", |options, _| {
        made(&options).map(|()| Box::new(sink::Faulty::new(options)) as Box<dyn ResultSink>)
    }));
}

batchmill_plugin::export_plugin!(register, [scheduler, retry, failure, governor, sink]);

/// Faults of the making.
fn made(options: &Options) -> Result<(), BuildError> {
    tracing::info!(fault = ?options.fault, "made");
    match options.fault {
        Fault::PanicCreate => panic!("it panics while it is made"),
        Fault::RefuseCreate => Err(BuildError::environment("its port is taken")),
        _ => Ok(()),
    }
}
