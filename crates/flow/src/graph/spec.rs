//! A node of a graph that is being built: what runs, when, and what follows.

use std::{borrow::Cow, num::NonZeroU32, sync::Arc, time::Duration};

use batchmill_core::{Node, Options};

use super::{Condition, cost::Cost};

/// A node and everything the graph needs to know of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NodeSpec {
    /// What runs.
    pub node: Arc<dyn Node>,
    /// What kind of node it is, for people: the key in a flow file, or `native`.
    pub kind: Cow<'static, str>,
    /// The nodes it waits for.
    pub needs: Vec<String>,
    /// What follows it.
    pub next: Next,
    /// Bounds one run of it. It stands above the default of the flow.
    pub timeout: Option<Duration>,
    /// The same in percent of the median of its runs that succeeded, once there are [`Median::SAMPLE`](batchmill_core::Median::SAMPLE) of them; until then the
    /// default of the flow, if that is a time. Above 100.
    pub timeout_percent: Option<NonZeroU32>,
    /// Its own retry settings, merged key by key over those of the flow.
    pub retry: Option<Options>,
    /// What happens when it has failed for good.
    pub on_error: OnError,
    /// What one run of it asks for of memory and CPUs.
    pub cost: Cost,
}

/// What follows a node.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Next {
    /// Nothing but the nodes that need it.
    #[default]
    None,
    /// All of these.
    To(Vec<Target>),
    /// The first arm that matches.
    Branch(Vec<Arm>),
}

/// Where an edge leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A node.
    Node(String),
    /// Nowhere: this path ends, the job goes on.
    End,
}

/// One arm of a branch.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Arm {
    /// Whether it matches, on the merged state; always, if absent.
    pub when: Option<Condition>,
    /// Where it leads.
    pub to: Target,
}

/// What happens when a node has failed for good.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum OnError {
    /// The job fails.
    #[default]
    Fail,
    /// As if it had finished without an update.
    Continue,
    /// The path goes on here, with the error as `$error`; nodes that need the failed one do not get it.
    Goto(Target),
}

impl Target {
    /// The reserved name of the end of a path.
    pub const END: &'static str = "END";
}

impl From<String> for Target {
    fn from(name: String) -> Self {
        if name == Self::END { Self::End } else { Self::Node(name) }
    }
}

impl From<&str> for Target {
    fn from(name: &str) -> Self {
        name.to_owned().into()
    }
}

impl Arm {
    /// Leads to `to` when `condition` holds.
    pub fn when(condition: impl Into<Condition>, to: impl Into<Target>) -> Self {
        Self { when: Some(condition.into()), to: to.into() }
    }

    /// Leads to `to` when no arm before it matched.
    pub fn otherwise(to: impl Into<Target>) -> Self {
        Self { when: None, to: to.into() }
    }
}

impl NodeSpec {
    /// A node that waits for nothing and leads nowhere.
    pub fn new(node: Arc<dyn Node>) -> Self {
        Self {
            node,
            kind: Cow::Borrowed("native"),
            needs: Vec::new(),
            next: Next::None,
            timeout: None,
            timeout_percent: None,
            retry: None,
            on_error: OnError::Fail,
            cost: Cost::default(),
        }
    }

    /// Says what kind of node it is where the graph is shown; it changes nothing else.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<Cow<'static, str>>) -> Self {
        self.kind = kind.into();
        self
    }

    /// Waits for these nodes.
    #[must_use]
    pub fn needs<N: Into<String>>(mut self, needs: impl IntoIterator<Item = N>) -> Self {
        self.needs = needs.into_iter().map(Into::into).collect();
        self
    }

    /// Followed by `target` (a node or `END`).
    #[must_use]
    pub fn next(self, target: impl Into<Target>) -> Self {
        self.next_all([target])
    }

    /// Followed by all of `targets`.
    #[must_use]
    pub fn next_all<T: Into<Target>>(mut self, targets: impl IntoIterator<Item = T>) -> Self {
        self.next = Next::To(targets.into_iter().map(Into::into).collect());
        self
    }

    /// Followed by the first arm that matches.
    #[must_use]
    pub fn branch(mut self, arms: impl IntoIterator<Item = Arm>) -> Self {
        self.next = Next::Branch(arms.into_iter().collect());
        self
    }

    /// Bounds one run.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Bounds one run of it by its median, see [`timeout_percent`](field@Self::timeout_percent).
    #[must_use]
    pub fn timeout_percent(mut self, percent: NonZeroU32) -> Self {
        self.timeout_percent = Some(percent);
        self
    }

    /// Retry settings of its own, in the form of the host's retry policy.
    #[must_use]
    pub fn retry(mut self, settings: Options) -> Self {
        self.retry = Some(settings);
        self
    }

    /// What one run of it asks for of memory and CPUs.
    #[must_use]
    pub fn cost(mut self, cost: Cost) -> Self {
        self.cost = cost;
        self
    }

    /// What happens when it has failed for good.
    #[must_use]
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = on_error;
        self
    }
}

/// Lets every node be declared as it is; fluent settings start with [`NodeSpec::from`].
impl<N: Node + 'static> From<N> for NodeSpec {
    fn from(node: N) -> Self {
        Self::new(Arc::new(node))
    }
}
