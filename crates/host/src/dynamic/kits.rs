//! The conformance kits on a plugin that is loaded: the same cases that built-ins pass.

use std::{fs, sync::Arc};

use batchmill_abi::host::{Containment, Plugin, Remote};
use batchmill_core::{
    BuildContext, Factory, FailureStrategy, Governor, Options, PluginKind, ResultSink, RetryPolicy, Scheduler,
};
use batchmill_testkit::{Report, factory, failure, governor, retry, scheduler, sink};
use serde_json::Value;
use tempfile::TempDir;

/// What instances are made of.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) options: Options,
    /// Of sinks: where what was stored can be read back.
    pub(crate) stored: Option<String>,
}

/// Runs the kits of every extension; each report with the name of what it is about.
pub(crate) fn run(plugin: &Arc<Plugin>, asked: &Asked) -> Vec<(String, Report)> {
    let mut reports = Vec::new();
    for extension in plugin.extensions() {
        let (kind, name) = (extension.kind, extension.name.as_str());
        let mut add = |report| reports.push((format!("{kind} {name}"), report));
        match kind {
            PluginKind::Scheduler => {
                add(options::<dyn Scheduler>(plugin, kind, name, asked));
                add(scheduler::run(|| build::<dyn Scheduler>(plugin, kind, name, asked)));
            }
            PluginKind::Retry => {
                add(options::<dyn RetryPolicy>(plugin, kind, name, asked));
                add(retry::run(|| build::<dyn RetryPolicy>(plugin, kind, name, asked)));
            }
            PluginKind::Failure => {
                add(options::<dyn FailureStrategy>(plugin, kind, name, asked));
                add(failure::run(|| build::<dyn FailureStrategy>(plugin, kind, name, asked)));
            }
            PluginKind::Governor => {
                add(options::<dyn Governor>(plugin, kind, name, asked));
                add(governor::run(|| build::<dyn Governor>(plugin, kind, name, asked)));
            }
            PluginKind::Sink => {
                add(options::<dyn ResultSink>(plugin, kind, name, asked));
                add(sink::run(|| sink_subject(plugin, name, asked)));
            }
            _ => {}
        }
    }
    reports
}

fn remote(plugin: &Arc<Plugin>, kind: PluginKind, name: &str) -> Remote {
    let all = plugin.factories(kind, &Containment::default());
    let place = plugin.extensions().iter().filter(|e| e.kind == kind).position(|e| e.name == name);
    all.into_iter().nth(place.unwrap_or(0)).expect("the extension was found in this plugin")
}

fn options<P: ?Sized + 'static>(plugin: &Arc<Plugin>, kind: PluginKind, name: &str, asked: &Asked) -> Report
where
    Remote: Factory<P>,
{
    factory::run(|| factory::Subject::new::<P>(remote(plugin, kind, name), asked.options.clone()))
}

fn build<P: ?Sized>(plugin: &Arc<Plugin>, kind: PluginKind, name: &str, asked: &Asked) -> Box<P>
where
    Remote: Factory<P>,
{
    let built = Factory::<P>::build(&remote(plugin, kind, name), &asked.options, &BuildContext::default());
    // A panic fails the case, with the reason.
    built.unwrap_or_else(|error| panic!("it cannot be made: {error}"))
}

/// `{dir}` is a folder of the instance.
fn placed(text: &str, folder: &TempDir) -> String {
    text.replace("{dir}", &folder.path().to_string_lossy())
}

fn sink_subject(plugin: &Arc<Plugin>, name: &str, asked: &Asked) -> sink::Subject {
    let folder = Arc::new(tempfile::tempdir().expect("a folder for the check"));
    let make = {
        let (plugin, name, options, folder) = (plugin.clone(), name.to_owned(), asked.options.clone(), folder.clone());
        move |resumes: bool| {
            let text = placed(&Value::Object(options.clone()).to_string(), &folder);
            let options: Options = serde_json::from_str(&text).expect("JSON stays JSON");
            let mut context = BuildContext::new(folder.path());
            context.resumes = resumes;
            let built = Factory::<dyn ResultSink>::build(&remote(&plugin, PluginKind::Sink, &name), &options, &context);
            built.unwrap_or_else(|error| panic!("it cannot be made: {error}"))
        }
    };
    let first = make(false);
    let subject = match &asked.stored {
        Some(stored) => {
            let stored = placed(stored, &folder);
            sink::Subject::boxed(first, move || records(&fs::read_to_string(&stored).unwrap_or_default()))
        }
        None => sink::Subject::unread(first),
    };
    subject.resumed_by(move || make(true))
}

fn records(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("`{line}`: {error}"))).collect()
}
