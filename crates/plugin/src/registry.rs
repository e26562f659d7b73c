//! Which plugins there are.

use std::{collections::BTreeMap, fmt, sync::Arc};

use batchmill_core::{
    Checkpointer, Factory, FailureStrategy, Governor, Journal, MetricsExporter, Node, PluginKind, ResultSink,
    RetryPolicy, Scheduler, nearest,
};
use serde_json::Value;

type Factories<P> = BTreeMap<String, Arc<dyn Factory<P>>>;

/// All plugins that config may select, by kind and name. One list in the host fills it by explicit calls.
#[derive(Default)]
pub struct Registry {
    schedulers: Factories<dyn Scheduler>,
    retry_policies: Factories<dyn RetryPolicy>,
    failure_strategies: Factories<dyn FailureStrategy>,
    governors: Factories<dyn Governor>,
    sinks: Factories<dyn ResultSink>,
    metrics: Factories<dyn MetricsExporter>,
    checkpointers: Factories<dyn Checkpointer>,
    journals: Factories<dyn Journal>,
    nodes: Factories<dyn Node>,
}

/// A trait whose implementations can be registered.
pub trait Pluggable: sealed::Sealed {
    /// What it is called in `plugin list`.
    const KIND: PluginKind;
}

mod sealed {
    use std::{collections::BTreeMap, sync::Arc};

    use batchmill_core::Factory;

    use super::Registry;

    /// Only the extension traits of core are pluggable.
    pub trait Sealed {
        fn factories(registry: &Registry) -> &BTreeMap<String, Arc<dyn Factory<Self>>>;
        fn factories_mut(registry: &mut Registry) -> &mut BTreeMap<String, Arc<dyn Factory<Self>>>;
    }
}

macro_rules! pluggable {
    ($($interface:ident, $kind:ident, $field:ident;)*) => {
        $(
            impl Pluggable for dyn $interface {
                const KIND: PluginKind = PluginKind::$kind;
            }
            impl sealed::Sealed for dyn $interface {
                fn factories(registry: &Registry) -> &Factories<Self> {
                    &registry.$field
                }
                fn factories_mut(registry: &mut Registry) -> &mut Factories<Self> {
                    &mut registry.$field
                }
            }
        )*

        impl Registry {
            /// Every plugin, by kind, then by name.
            pub fn list(&self) -> Vec<Listed> {
                let mut all = Vec::new();
                $(all.extend(self.$field.values().map(|f| Listed {
                    kind: PluginKind::$kind,
                    name: f.name().to_owned(),
                    about: f.about().to_owned(),
                    schema: f.schema(),
                }));)*
                all
            }
        }
    };
}

pluggable! {
    Scheduler, Scheduler, schedulers;
    RetryPolicy, Retry, retry_policies;
    FailureStrategy, Failure, failure_strategies;
    Governor, Governor, governors;
    ResultSink, Sink, sinks;
    MetricsExporter, Metrics, metrics;
    Checkpointer, Checkpointer, checkpointers;
    Journal, Journal, journals;
    Node, Node, nodes;
}

/// A plugin as `plugin list` shows it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Listed {
    /// What it is.
    pub kind: PluginKind,
    /// The `kind` in config.
    pub name: String,
    /// One sentence.
    pub about: String,
    /// JSON Schema of its options.
    pub schema: Value,
}

/// No plugin of this kind has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct UnknownPlugin {
    /// What was looked for.
    pub kind: PluginKind,
    /// The name that is not known.
    pub name: String,
    /// The names that are.
    pub known: Vec<String>,
}

impl fmt::Display for UnknownPlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown {} kind `{}`", self.kind, self.name)?;
        if let Some(near) = nearest(&self.name, self.known.iter().map(String::as_str)) {
            write!(f, ", did you mean `{near}`?")?;
        }
        match self.known.as_slice() {
            [] => f.write_str(": this program was built without any"),
            known => write!(f, " (known: {})", known.join(", ")),
        }
    }
}

impl Registry {
    /// Adds a factory.
    ///
    /// # Panics
    /// If the kind already has a plugin of this name: two built-ins with one name are a defect of the host's list.
    pub fn register<P: ?Sized + Pluggable>(&mut self, factory: impl Factory<P> + 'static) {
        let name = factory.name().to_owned();
        let previous = P::factories_mut(self).insert(name.clone(), Arc::new(factory));
        assert!(previous.is_none(), "two {} plugins are named `{name}`", P::KIND);
    }

    /// The factory of this name.
    pub fn get<P: ?Sized + Pluggable>(&self, name: &str) -> Result<&Arc<dyn Factory<P>>, UnknownPlugin> {
        P::factories(self).get(name).ok_or_else(|| UnknownPlugin {
            kind: P::KIND,
            name: name.to_owned(),
            known: P::factories(self).keys().cloned().collect(),
        })
    }

    /// All factories of a kind, by name.
    pub fn all<P: ?Sized + Pluggable>(&self) -> &BTreeMap<String, Arc<dyn Factory<P>>> {
        P::factories(self)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list().iter().map(|p| format!("{}/{}", p.kind, p.name))).finish()
    }
}
