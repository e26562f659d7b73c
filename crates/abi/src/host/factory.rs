//! Factories of what a plugin has.

use std::sync::Arc;

use batchmill_core::{
    BuildContext, BuildError, Factory, FailureStrategy, Governor, Options, PluginKind, Problem, ResultSink,
    RetryPolicy, Scheduler,
};
use serde_json::Value;

use super::{
    Containment, Extension, Plugin, failure, governor,
    instance::{Create, Destroy, Maker},
    plugin::Raw,
    retry, scheduler, sink,
};

/// Makes instances of one extension.
pub struct Remote {
    plugin: Arc<Plugin>,
    place: usize,
    containment: Containment,
}

impl Plugin {
    /// The factories of its extensions of a kind.
    pub fn factories(self: &Arc<Self>, kind: PluginKind, containment: &Containment) -> Vec<Remote> {
        let is_of_kind = |(_, extension): &(usize, &Extension)| extension.kind == kind;
        self.extensions()
            .iter()
            .enumerate()
            .filter(is_of_kind)
            .map(|(place, _)| Remote { plugin: Arc::clone(self), place, containment: containment.clone() })
            .collect()
    }
}

impl Remote {
    fn extension(&self) -> &Extension {
        &self.plugin.extensions()[self.place]
    }

    fn maker<T>(&self, table: T, create: Option<Create>, destroy: Option<Destroy>) -> Maker<T> {
        Maker {
            plugin: Arc::clone(&self.plugin),
            place: self.place,
            table,
            // Looked at when it was loaded.
            create: create.expect("a table without `create` is not loaded"),
            destroy: destroy.expect("a table without `destroy` is not loaded"),
            is_decision: self.extension().kind != PluginKind::Sink,
            limit: self.containment.call_timeout,
        }
    }

    fn check(&self, options: &Options) -> Result<(), Vec<Problem>> {
        let text = serde_json::to_string(options).unwrap_or_default();
        let problems = self.extension().problems(&text);
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// The built-in in its place, where it hung before.
    fn aside<P: ?Sized>(
        &self,
        fallback: Option<&Arc<dyn Factory<P>>>,
        context: &BuildContext,
    ) -> Option<Result<Box<P>, BuildError>> {
        self.containment.is_set_aside.then(|| fallback.map(|factory| factory.build(&Options::new(), context))).flatten()
    }
}

macro_rules! factory {
    ($($interface:ident, $table:ident, $module:ident $(, $fallback:ident)?;)*) => {$(
        impl Factory<dyn $interface> for Remote {
            fn name(&self) -> &str {
                &self.extension().name
            }

            fn about(&self) -> &str {
                &self.extension().about
            }

            fn schema(&self) -> Value {
                self.extension().schema()
            }

            fn validate(&self, options: &Options) -> Result<(), Vec<Problem>> {
                self.check(options)
            }

            fn build(&self, options: &Options, context: &BuildContext) -> Result<Box<dyn $interface>, BuildError> {
                self.check(options).map_err(BuildError::Options)?;
                $(
                    let fallback = self.containment.fallbacks.$fallback.as_ref();
                    if let Some(built) = self.aside::<dyn $interface>(fallback, context) {
                        return built;
                    }
                )?
                let Raw::$table(table) = self.extension().table else {
                    return Err(BuildError::environment("an extension of another kind"));
                };
                let maker = self.maker(table, table.create, table.destroy);
                Ok(Box::new($module::Contained::new(maker, &self.containment, options, context)?))
            }
        }
    )*};
}

factory! {
    Scheduler, Scheduler, scheduler, scheduler;
    RetryPolicy, Retry, retry, retry;
    FailureStrategy, Failure, failure, failure;
    Governor, Governor, governor, governor;
    ResultSink, Sink, sink;
}
