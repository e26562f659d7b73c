//! Config against the real plugins: one test binary, one file an area.

mod bad_input;
mod contradictions;
mod files;
mod layers;
mod reference;
mod schema;
mod show;

use std::path::PathBuf;

use batchmill_config::{ConfigProblem, LoadRequest, Loaded, load};
use batchmill_plugin::Registry;

/// Every plugin that config can select by now.
fn registry() -> Registry {
    let mut registry = Registry::default();
    batchmill_failure_halt::register(&mut registry);
    batchmill_governor_adaptive::register(&mut registry);
    batchmill_governor_fixed::register(&mut registry);
    batchmill_metrics_prometheus::register(&mut registry);
    batchmill_retry_exponential::register(&mut registry);
    batchmill_scheduler_fair_share::register(&mut registry);
    batchmill_scheduler_fifo::register(&mut registry);
    batchmill_scheduler_priority::register(&mut registry);
    batchmill_sink_aggregate::register(&mut registry);
    batchmill_sink_csv::register(&mut registry);
    batchmill_sink_jsonl::register(&mut registry);
    batchmill_store_postgres::register(&mut registry);
    registry
}

/// A folder with files, and a request that reads them.
struct Case {
    folder: tempfile::TempDir,
    request: LoadRequest,
}

impl Case {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), request: LoadRequest::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    fn system(mut self, text: &str) -> Self {
        self.request.system_file = Some(self.write("system.toml", text));
        self
    }

    fn user(mut self, text: &str) -> Self {
        self.request.user_file = Some(self.write("user.toml", text));
        self
    }

    fn project(mut self, text: impl AsRef<[u8]>) -> Self {
        self.request.project_file = Some(self.write("batchmill.toml", text));
        self
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.request.env.push((name.into(), value.into()));
        self
    }

    fn set(mut self, argument: &str) -> Self {
        self.request.sets.push(argument.into());
        self
    }

    fn flag(mut self, flag: batchmill_config::Flag) -> Self {
        self.request.flags.push(flag);
        self
    }

    fn load(&self) -> Result<Loaded, Vec<ConfigProblem>> {
        load(&self.request, &registry())
    }

    #[track_caller]
    fn good(&self) -> Loaded {
        self.load().unwrap_or_else(|_| panic!("{:#?}", self.problems()))
    }

    /// The problems as the user sees them, without the name of the temporary folder.
    fn problems(&self) -> Vec<String> {
        let folder = format!("{}/", self.folder.path().display());
        self.load().err().unwrap_or_default().iter().map(|p| p.to_string().replace(&folder, "")).collect()
    }
}
