//! Who decides now, and who takes its place when it fails.

use std::sync::Arc;

use batchmill_core::{BuildContext, BuildError, Factory, Options};

use super::{
    OnFault,
    instance::{Fault, Instance, Maker},
};

/// A policy of a plugin, or the built-in that took its place.
pub(super) enum Now<T, P: ?Sized> {
    Plugin(Instance<T>),
    BuiltIn(Box<P>),
}

/// What it takes to put another in the place of one that failed.
pub(super) struct Succession<T, P: ?Sized> {
    on_fault: OnFault,
    /// How often there was a fresh instance.
    used: u32,
    pub(super) maker: Maker<T>,
    options: Options,
    context: BuildContext,
    fallback: Option<Arc<dyn Factory<P>>>,
}

impl<T: Copy, P: ?Sized> Succession<T, P> {
    pub(super) fn new(
        maker: Maker<T>,
        on_fault: OnFault,
        fallback: Option<&Arc<dyn Factory<P>>>,
        options: &Options,
        context: &BuildContext,
    ) -> Self {
        let (options, context) = (options.clone(), context.clone());
        Self { on_fault, used: 0, maker, options, context, fallback: fallback.cloned() }
    }

    /// The first instance, or a fresh one.
    pub(super) fn make(&self) -> Result<Instance<T>, BuildError> {
        self.maker.make(&self.options, &self.context)
    }

    /// Whether what an heir must know is to be kept.
    pub(super) fn keeps(&self) -> bool {
        self.on_fault != OnFault::Fail
    }

    /// A batch goes on: what is made from here on takes it up.
    pub(super) fn resumes(&mut self) {
        self.context.resumes = true;
    }

    /// Whether one more instance may be made; then it is counted.
    pub(super) fn recreates(&mut self) -> bool {
        let may = matches!(self.on_fault, OnFault::Recreate { max } if self.used < max);
        self.used += u32::from(may);
        may
    }

    /// Who takes the place of one that failed. An instance, which may fail too, learns by `teach_instance` what happened
    /// so far, a built-in by `teach_built_in`.
    ///
    /// # Panics
    /// Where config says that this ends the host.
    #[cold]
    pub(super) fn next(
        &mut self,
        mut fault: Fault,
        mut teach_instance: impl FnMut(&Instance<T>) -> Result<(), Fault>,
        teach_built_in: impl FnOnce(&mut P),
    ) -> Now<T, P> {
        let who = self.maker.who();
        loop {
            tracing::error!(plugin = self.maker.plugin.header().name, "{who}: {fault}");
            if self.on_fault == OnFault::Fallback {
                let built = self.fallback.as_ref().map(|factory| factory.build(&Options::new(), &self.context));
                let Some(Ok(mut built)) = built else { panic!("{who}: {fault}, and there is no fallback") };
                teach_built_in(&mut built);
                let name = self.fallback.as_ref().map_or("", |factory| factory.name());
                tracing::warn!("{who}: the built-in `{name}` takes its place");
                return Now::BuiltIn(built);
            }
            assert!(self.recreates(), "{who}: {fault}");
            match self.make() {
                Ok(instance) => match teach_instance(&instance) {
                    Ok(()) => {
                        tracing::warn!("{who}: a fresh instance takes its place");
                        return Now::Plugin(instance);
                    }
                    Err(again) => fault = again,
                },
                Err(error) => fault = Fault::new("create", -1, error.to_string()),
            }
        }
    }
}
