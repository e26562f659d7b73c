//! Plugins that are loaded at run time, on the real program: what they bring, what is refused, and what they cannot break.

mod authored;
mod contained;
mod hung;
mod old_host;
mod panics;
mod refused;
mod shares;
mod shown;

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::stage::Stage;

/// A plugin of this workspace as a dynamic library. Cargo knows whether there is anything to build.
fn built(package: &str) -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args([
        "rustc",
        "--quiet",
        "-p",
        package,
        "--lib",
        "--crate-type",
        "cdylib",
        "--",
        "--cfg",
        "batchmill_export",
    ]);
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The binary under test lies in the folder of the profile.
    let folder = Path::new(env!("CARGO_BIN_EXE_batchmill")).parent().expect("a folder").parent().expect("target");
    folder.join("debug").join(format!("lib{}.so", package.replace('-', "_")))
}

impl Stage {
    /// The plugin that is broken on purpose, where nobody else can write to it.
    fn faulty(&self) -> PathBuf {
        self.library(&built("batchmill-faulty"), "faulty.so")
    }

    fn library(&self, from: &Path, name: &str) -> PathBuf {
        let path = fs::canonicalize(self.path("")).expect("the folder of the test").join(name);
        fs::copy(from, &path).expect("a copy of the library");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its permissions");
        path
    }

    /// A config that lists the plugin with more keys, and has more sections.
    fn config(&self, keys: &str, sections: &str) {
        let path = self.faulty();
        let entry = format!("[[plugins]]\nname = \"batchmill-faulty\"\npath = \"{}\"\n{keys}\n", path.display());
        self.write("batchmill.toml", format!("{entry}{sections}"));
    }
}

/// A flow of one node that does nothing, and so many jobs.
fn stage(jobs: usize) -> Stage {
    Stage::with("  node: {set: '{}'}\n", (0..jobs).map(|n| format!("{{\"id\": \"j{n}\", \"input\": {{}}}}")))
}

/// Every job has one result, and all succeeded.
#[track_caller]
fn all_succeeded(results: &[serde_json::Value], jobs: usize) {
    let mut ids: Vec<&str> = results.iter().filter_map(|result| result["job_id"].as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), results.len()), (jobs, jobs), "each job has one result");
    assert!(results.iter().all(|result| result["status"] == "succeeded"), "not all succeeded");
}
