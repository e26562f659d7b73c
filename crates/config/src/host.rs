//! The host's configuration as types. The doc comments are the manual: they become the descriptions of the schema.

use std::{num::NonZeroU32, time::Duration};

use batchmill_core::Options;
use batchmill_plugin::HumanDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{AttemptTimeout, Concurrency, Limit, MemoryLimit, PluginEntry, PluginLoading, Resources, Timeout};

/// The host's configuration, after all layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HostConfig {
    /// How attempts run.
    pub executor: Executor,
    /// Which job starts next.
    pub scheduler: Scheduler,
    /// Whether and when a failed attempt is repeated.
    pub retry: Slot,
    /// When failures stop a batch.
    pub failure: Slot,
    /// Whether the concurrency limit follows the load.
    pub governor: Slot,
    /// What may start at once, or in a time, of the jobs with one key: no limits unless given. A higher layer replaces the
    /// whole list.
    pub limits: Vec<Limit>,
    /// What holds attempts back while memory, CPUs or swap have no room for more.
    pub resources: Resources,
    /// What a batch is remembered by, so that it survives its host.
    pub store: Store,
    /// Where the state of running jobs is kept instead of in the store: nowhere else unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoints: Option<Slot>,
    /// Where results go beside the batch's own output: none unless given. A higher layer replaces the whole list.
    pub sinks: Vec<Slot>,
    /// How numbers leave the process: off unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Slot>,
    /// Plugins that are loaded at run time from dynamic libraries: none unless given. A higher layer replaces the whole list.
    pub plugins: Vec<PluginEntry>,
    /// What is asked of them.
    pub plugin_loading: PluginLoading,
}

/// How attempts run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Executor {
    /// How many attempts run at once: a number, "auto" (as many as the CPUs available to this process) or a percentage of
    /// them such as "75%". With a governor that adapts, where it begins. A job that waits for its retry is not counted.
    pub concurrency: Concurrency,
    /// The longest time one attempt may run, or a percentage such as "300%" of the median of the attempts that succeeded, once
    /// there are ten of them. A job or a node may have its own.
    pub timeout: AttemptTimeout,
    /// The longest time a job may wait for its first start: then it ends `timed_out`. Off unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_timeout: Option<Timeout>,
    /// The longest time from the first start of a job to its end, all attempts and waits together: then it ends `timed_out`.
    /// Off unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_timeout: Option<Timeout>,
    /// How long a drain waits for running attempts before they are stopped; "0s" does not wait.
    pub drain_timeout: HumanDuration,
    /// How long a shutdown takes at most, from the first signal to the end of the program: the drain, and 8 s for stopping,
    /// killing and closing. Then the program leaves, whatever is stuck.
    pub shutdown_timeout: HumanDuration,
    /// A job whose host was lost so often while it ran is not run again: it is `quarantined`.
    pub crash_limit: NonZeroU32,
    /// How many jobs a batch may bring: one with more is refused before anything runs. Unbounded unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_limit: Option<NonZeroU32>,
    /// Memory that the host and its children may use together: a size, "auto" (all there is: the smallest limit of a
    /// cgroup, or what the machine has) or a percentage of that. Attempts are held back and ended before it is used up. Off
    /// unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<MemoryLimit>,
}

impl Executor {
    /// The part of a shutdown that is left for what follows the drain: 3 s to stop what runs, 2 s to kill it, 3 s for sinks,
    /// store and report to be closed.
    pub const AFTER_DRAIN: Duration = Duration::from_secs(8);
}

/// Three times is no chance any more.
const CRASH_LIMIT: NonZeroU32 = NonZeroU32::new(3).unwrap();

/// What a batch is remembered by. Where it is kept, `--state` says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// The store's name.
    pub kind: StoreKind,
    /// What an end that was told survives.
    pub durability: Durability,
    /// The store's own options.
    pub options: StoreOptions,
}

/// A store that batches can be remembered by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// A folder and an SQLite database a batch.
    #[default]
    Sqlite,
}

/// The options of `sqlite`: it has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StoreOptions {}

/// What the record of a job's end survives once it is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Nothing: a batch is kept in memory and cannot be resumed.
    None,
    /// The end of the host, by whatever signal. Synced within a second: a loss of power may cost that second.
    Buffered,
    /// A loss of power too: synced before it is told.
    #[default]
    Fsync,
}

/// A policy chosen by name. Its options belong to the plugin and are checked by it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// The plugin's name, as `plugin list` shows it.
    pub kind: String,
    /// The plugin's own options.
    #[serde(default)]
    pub options: Options,
}

/// Which job starts next: a policy chosen by name, and whose share a job counts against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scheduler {
    /// The plugin's name, as `plugin list` shows it.
    pub kind: String,
    /// The plugin's own options.
    #[serde(default)]
    pub options: Options,
    /// Whose share of the host a job counts against: jq over {id, tenant, priority, flow, input} that yields a path such as
    /// "org/team/user", the widest first; null stands for the tenant, and so does leaving it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_key: Option<String>,
}

impl Scheduler {
    /// The plugin that is chosen.
    pub fn slot(&self) -> Slot {
        Slot { kind: self.kind.clone(), options: self.options.clone() }
    }
}

impl Slot {
    /// The plugin `kind` with its defaults.
    pub fn new(kind: impl Into<String>) -> Self {
        Self { kind: kind.into(), options: Options::new() }
    }
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            executor: Executor::default(),
            scheduler: Scheduler { kind: "priority".to_owned(), options: Options::new(), share_key: None },
            retry: Slot::new("exponential"),
            failure: Slot::new("halt"),
            governor: Slot::new("fixed"),
            limits: Vec::new(),
            resources: Resources::default(),
            store: Store::default(),
            checkpoints: None,
            sinks: Vec::new(),
            metrics: None,
            plugins: Vec::new(),
            plugin_loading: PluginLoading::default(),
        }
    }
}

impl Default for Executor {
    fn default() -> Self {
        Self {
            concurrency: Concurrency::Fixed(10),
            timeout: AttemptTimeout::FIVE_MINUTES,
            queue_timeout: None,
            job_timeout: None,
            drain_timeout: HumanDuration::from_secs(20),
            shutdown_timeout: HumanDuration::from_secs(28),
            crash_limit: CRASH_LIMIT,
            queue_limit: None,
            memory_limit: None,
        }
    }
}
