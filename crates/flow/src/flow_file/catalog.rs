//! Which kinds of nodes there are.

use std::{collections::BTreeMap, fmt, sync::Arc};

use batchmill_core::{BuildContext, BuildError, Factory, Node, Options};
use serde_json::Value;

use crate::graph::node_fn;

/// The kinds of nodes that a flow file may use, and what their factories may know while they build.
#[derive(Clone, Default)]
pub struct NodeCatalog {
    factories: BTreeMap<String, Arc<dyn Factory<dyn Node>>>,
    context: BuildContext,
    only_checks: bool,
}

impl NodeCatalog {
    /// Knows no kind yet.
    pub fn new(context: BuildContext) -> Self {
        Self { factories: BTreeMap::new(), context, only_checks: false }
    }

    /// Knows these kinds, for example all that a registry holds.
    pub fn of(factories: BTreeMap<String, Arc<dyn Factory<dyn Node>>>, context: BuildContext) -> Self {
        Self { factories, context, only_checks: false }
    }

    /// Checks options and builds no node, so that nothing outside is touched: no variable and no file of a secret. The graph is
    /// one to look at; its nodes do nothing.
    #[must_use]
    pub fn only_checks(self) -> Self {
        Self { only_checks: true, ..self }
    }

    /// Knows one kind more, or another factory of a known one.
    #[must_use]
    pub fn with(mut self, factory: impl Factory<dyn Node> + 'static) -> Self {
        self.factories.insert(factory.name().to_owned(), Arc::new(factory));
        self
    }

    /// The kinds, sorted.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.factories.keys().map(String::as_str)
    }

    /// What a kind does; `kind` is known.
    pub(super) fn about(&self, kind: &str) -> &str {
        self.factories[kind].about()
    }

    /// JSON Schema of the keys that a kind has of its own; `kind` is known.
    pub(super) fn schema_of(&self, kind: &str) -> Value {
        self.factories[kind].schema()
    }

    pub(super) fn contains(&self, kind: &str) -> bool {
        self.factories.contains_key(kind)
    }

    /// The keys that a kind has of its own; `kind` is known.
    pub(super) fn keys_of(&self, kind: &str) -> Vec<String> {
        let schema = self.schema_of(kind);
        let properties = schema.get("properties").and_then(Value::as_object);
        properties.into_iter().flatten().map(|(key, _)| key.clone()).collect()
    }

    /// Checks the options, then builds; `kind` is known.
    pub(super) fn build(&self, kind: &str, options: &Options) -> Result<Arc<dyn Node>, BuildError> {
        let factory = &self.factories[kind];
        factory.validate(options).map_err(BuildError::Options)?;
        if self.only_checks {
            return Ok(Arc::new(node_fn(|_| ())));
        }
        factory.build(options, &self.context).map(Arc::from)
    }
}

impl fmt::Debug for NodeCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.factories.keys()).finish()
    }
}
