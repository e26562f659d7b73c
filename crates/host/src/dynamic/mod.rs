//! Plugins that are loaded at run time: those that config lists, and no others.
//!
//! They are loaded once a process and stay. Loading is the first thing that happens, because what they bring decides what
//! the rest of the config and a flow may say.

pub(crate) mod kits;
mod marks;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use batchmill_abi::host::{self, Containment, Fallbacks, Hang, LoadError, LoadRequest as File, OnFault, Pin, Plugin};
use batchmill_config::{ConfigProblem, ListedPlugins, LoadRequest, OnFault as Wanted, PluginEntry};
use batchmill_core::{
    Factory, FailureStrategy, Governor, PluginKind, ResultSink, RetryPolicy, Scheduler, format_duration,
};
use batchmill_plugin::{Pluggable, Registry};
use metrics::{counter, gauge};

use crate::{catalog, exit::Exit, problems::Refusal, refusal};

/// The plugins that are loaded, in the order of the config.
#[derive(Debug, Default)]
pub(crate) struct Loaded(Vec<Arc<Plugin>>);

impl Loaded {
    /// The plugin that brought this one; `None` for a built-in.
    pub(crate) fn of(&self, kind: PluginKind, name: &str) -> Option<&Plugin> {
        let has = |plugin: &&Arc<Plugin>| plugin.extensions().iter().any(|e| e.kind == kind && e.name == name);
        self.0.iter().find(has).map(|plugin| &**plugin)
    }

    /// Says which plugins there are, and begins to count what befalls them.
    pub(crate) fn publish(&self) {
        for plugin in &self.0 {
            let (name, version) = (&plugin.header().name, &plugin.header().version);
            for extension in plugin.extensions() {
                let (name, kind) = (extension.name.clone(), extension.kind.as_str());
                gauge!("batchmill_plugin_info", "name" => name, "kind" => kind, "version" => version.clone()).set(1.0);
            }
            counter!("batchmill_plugin_panics_total", "name" => name.clone()).increment(0);
            counter!("batchmill_plugin_slow_calls_total", "name" => name.clone()).increment(0);
            counter!("batchmill_plugin_wrong_answers_total", "name" => name.clone()).increment(0);
        }
    }
}

/// The state directory of the batch that this process runs: where it is noted that a plugin hung.
static STATE: OnceLock<PathBuf> = OnceLock::new();

/// Says where to note that a plugin hung, and where to read that one did.
pub(crate) fn remember_in(state: &Path) {
    // A process has one state directory.
    let _ = STATE.set(state.to_owned());
}

/// The built-in plugins and those that config lists.
pub(crate) fn registry(request: &LoadRequest) -> Result<(Registry, Loaded), Refusal> {
    let mut registry = catalog::registry();
    // What is wrong with the list as text is told with everything else that is wrong with the config.
    let Ok(listed) = ListedPlugins::read(request) else { return Ok((registry, Loaded::default())) };
    let (mut loaded, mut problems) = (Vec::new(), Vec::new());
    for (place, entry) in listed.entries.iter().enumerate() {
        let wrong = |key: &str, message: String| listed.problem(place, key, message);
        match one(entry, listed.loading.require_pins) {
            Ok(plugin) => {
                problems.extend(register(&plugin, entry, &mut registry).into_iter().map(|(key, why)| wrong(key, why)));
                loaded.push(plugin);
            }
            Err((key, message)) => problems.push(wrong(key, message)),
        }
    }
    if problems.is_empty() { Ok((registry, Loaded(loaded))) } else { Err(refuse(&problems)) }
}

fn refuse(problems: &[ConfigProblem]) -> Refusal {
    Refusal { exit: Exit::BadConfig, ..refusal::of_config(problems) }
}

/// What this process has loaded: a second look at the config loads nothing twice.
static LOADED: Mutex<Vec<(PluginEntry, Arc<Plugin>)>> = Mutex::new(Vec::new());

/// Loads one, or answers with the one that is loaded already; an error names the key that is to blame.
fn one(entry: &PluginEntry, require_pin: bool) -> Result<Arc<Plugin>, (&'static str, String)> {
    let mut all = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, plugin)) = all.iter().find(|(known, _)| known == entry) {
        return Ok(plugin.clone());
    }
    let pin = entry.sha256.as_ref().map(|text| text.parse::<Pin>()).transpose();
    let pin = pin.map_err(|error| ("sha256", error.to_string()))?;
    let file = File { path: entry.path.clone(), name: Some(entry.name.clone()), pin, require_pin };
    host::on_hang(hung);
    let plugin = host::load(&file).map_err(|error| (key_of(&error), format!("{}: {error}", entry.path.display())))?;
    let (header, sha256) = (plugin.header(), plugin.sha256());
    tracing::info!(
        plugin = header.name, version = header.version, toolchain = header.toolchain, %sha256, path = %entry.path.display(),
        "a plugin is loaded"
    );
    all.push((entry.clone(), plugin.clone()));
    Ok(plugin)
}

/// The key of the config that an error is about.
fn key_of(error: &LoadError) -> &'static str {
    match error {
        LoadError::Pin { .. } | LoadError::NoPin(_) => "sha256",
        LoadError::OtherName { .. } => "name",
        _ => "path",
    }
}

/// Adds what a plugin has; answers with what is wrong and the key that is to blame.
fn register(plugin: &Arc<Plugin>, entry: &PluginEntry, registry: &mut Registry) -> Vec<(&'static str, String)> {
    let (containment, mut problems) = containment(plugin, entry, registry);
    let mut add = Adding { plugin, containment: &containment, registry, problems: &mut problems };
    add.all::<dyn Scheduler>();
    add.all::<dyn RetryPolicy>();
    add.all::<dyn FailureStrategy>();
    add.all::<dyn Governor>();
    add.all::<dyn ResultSink>();
    problems
}

struct Adding<'a> {
    plugin: &'a Arc<Plugin>,
    containment: &'a Containment,
    registry: &'a mut Registry,
    problems: &'a mut Vec<(&'static str, String)>,
}

impl Adding<'_> {
    fn all<P: ?Sized + Pluggable>(&mut self)
    where
        host::Remote: Factory<P>,
    {
        for factory in self.plugin.factories(P::KIND, self.containment) {
            let name = Factory::<P>::name(&factory).to_owned();
            if self.registry.get::<P>(&name).is_ok() {
                let why = format!("it brings a {} named `{name}`, and there is one of this name already", P::KIND);
                self.problems.push(("path", why));
            } else {
                self.registry.register::<P>(factory);
            }
        }
    }
}

fn containment(
    plugin: &Plugin,
    entry: &PluginEntry,
    registry: &Registry,
) -> (Containment, Vec<(&'static str, String)>) {
    let mut problems = Vec::new();
    let mut containment = Containment {
        on_fault: match &entry.on_fault {
            Wanted::Fail => OnFault::Fail,
            Wanted::Recreate => OnFault::Recreate { max: entry.recreate_max.get() },
            Wanted::Fallback(_) => OnFault::Fallback,
        },
        call_timeout: entry.call_timeout.get(),
        ..Containment::default()
    };
    if let Wanted::Fallback(name) = &entry.on_fault {
        containment.fallbacks = fallbacks(plugin, name, registry, &mut problems);
        containment.is_set_aside = STATE.get().is_some_and(|state| marks::is_marked(state, plugin));
        if containment.is_set_aside {
            tracing::warn!(
                plugin = entry.name,
                "this plugin hung under an earlier host: `{name}` decides in its place (remove {} to try it again)",
                marks::file(STATE.get().map_or(Path::new("."), PathBuf::as_path)).display()
            );
        }
    }
    (containment, problems)
}

/// The built-in of this name for each kind that the plugin brings.
/// The others of what it brings are as with `fail`.
fn fallbacks(
    plugin: &Plugin,
    name: &str,
    registry: &Registry,
    problems: &mut Vec<(&'static str, String)>,
) -> Fallbacks {
    let mut fallbacks = Fallbacks::default();
    let mut is_of_use = false;
    for extension in plugin.extensions() {
        is_of_use |= match extension.kind {
            PluginKind::Scheduler => take(registry.get::<dyn Scheduler>(name), &mut fallbacks.scheduler),
            PluginKind::Retry => take(registry.get::<dyn RetryPolicy>(name), &mut fallbacks.retry),
            PluginKind::Failure => take(registry.get::<dyn FailureStrategy>(name), &mut fallbacks.failure),
            PluginKind::Governor => take(registry.get::<dyn Governor>(name), &mut fallbacks.governor),
            _ => false,
        };
    }
    if !is_of_use {
        problems.push(("on_fault", format!("none of what it brings has a built-in named `{name}` of its kind")));
    }
    fallbacks
}

fn take<P: ?Sized, E>(found: Result<&Arc<dyn Factory<P>>, E>, place: &mut Option<Arc<dyn Factory<P>>>) -> bool {
    let found = found.ok().cloned();
    let is_found = found.is_some();
    *place = found;
    is_found
}

/// The lock of all decisions is never given back: what is recorded is recorded, the rest waits for another host.
#[expect(clippy::exit, reason = "the thread that would have to return never does")]
fn hung(hang: &Hang) {
    use std::io::Write;
    // It hung in a decision, so nobody is loading.
    let sha256 = LOADED.try_lock().ok().and_then(|all| {
        let loaded = all.iter().find(|(_, loaded)| loaded.header().name == hang.plugin);
        loaded.map(|(_, loaded)| loaded.sha256().to_string())
    });
    if let (Some(state), Some(sha256)) = (STATE.get(), sha256)
        && let Err(error) = marks::mark(state, &hang.plugin, &sha256)
    {
        tracing::error!(%error, "that it hung could not be noted");
    }
    let after = format_duration(hang.after);
    let _ = writeln!(
        std::io::stderr(),
        "error: {} has not returned for {after}: this host cannot decide anything any more and ends; `batchmill resume` goes on, \
         with the fallback where `on_fault` names one",
        hang.who
    );
    std::process::exit(Exit::Interrupted.code().into());
}
