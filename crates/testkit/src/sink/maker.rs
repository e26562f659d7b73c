//! Sinks as hosts make them.

use std::{path::Path, sync::Arc};

use batchmill_core::{BuildContext, BuildError, Factory, ResultSink};
use serde_json::Value;

/// Makes sinks of options in JSON, relative to a folder.
#[derive(Clone)]
pub struct Maker(Arc<dyn Factory<dyn ResultSink>>);

impl Maker {
    /// Of a factory.
    pub fn new(factory: Arc<dyn Factory<dyn ResultSink>>) -> Self {
        Self(factory)
    }

    /// The sink of a host that begins a batch.
    ///
    /// # Errors
    /// Why the plugin does not make it.
    pub fn build(&self, options: Value, folder: &Path) -> Result<Box<dyn ResultSink>, BuildError> {
        self.0.build(&crate::options(options), &BuildContext::new(folder))
    }

    /// The sink of a later host of the batch.
    ///
    /// # Panics
    /// If the plugin does not make it.
    #[track_caller]
    pub fn rebuild(&self, options: Value, folder: &Path) -> Box<dyn ResultSink> {
        let mut context = BuildContext::new(folder);
        context.resumes = true;
        self.0.build(&crate::options(options), &context).expect("a sink that was made once is made again")
    }
}
