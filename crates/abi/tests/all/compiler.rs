//! Plugins in C, built where nobody else may write.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use batchmill_abi::host::{LoadError, LoadRequest, Plugin, load};
use tempfile::TempDir;

pub(crate) const STEADY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/all/fixtures/steady.c");

/// A folder of our own, without symbolic links on the way to it.
pub(crate) struct Bench(TempDir);

impl Bench {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        fs::canonicalize(self.0.path()).unwrap().join(name)
    }

    /// The retry policy, with these definitions.
    pub(crate) fn steady(&self, definitions: &[&str]) -> PathBuf {
        let out = self.path("libsteady.so");
        self.compile(Path::new(STEADY), &out, definitions);
        out
    }

    pub(crate) fn compile(&self, source: &Path, out: &Path, arguments: &[&str]) {
        let compiled = Command::new("cc")
            .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-Wl,--build-id=none"])
            .arg(concat!("-I", env!("CARGO_MANIFEST_DIR"), "/include"))
            .args(arguments)
            .arg("-o")
            .args([out, source])
            .output()
            .expect("a C compiler is needed to build Batchmill, and for its tests");
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        fs::set_permissions(out, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        path
    }
}

pub(crate) fn load_at(path: &Path) -> Result<Arc<Plugin>, LoadError> {
    load(&LoadRequest { path: path.to_owned(), ..LoadRequest::default() })
}

/// Why it is not loaded.
#[track_caller]
pub(crate) fn refusal(request: &LoadRequest) -> String {
    load(request).expect_err("it must be refused").to_string()
}
