//! What to load from. Everything outside is an argument, so that a test never touches the process.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// A flag of the command line that stands for a key of the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Flag {
    pub(crate) name: String,
    pub(crate) key: String,
    pub(crate) value: Result<Value, String>,
}

impl Flag {
    /// The flag `name` (as the user writes it, for example `--timeout`) sets the dotted `key` to `value`.
    pub fn new(name: impl Into<String>, key: impl Into<String>, value: impl Into<Value>) -> Self {
        Self { name: name.into(), key: key.into(), value: Ok(value.into()) }
    }

    /// The same with a value as typed: a TOML value, or a bare word that is a string (`10`, `auto`, `5m`).
    pub fn parsed(name: impl Into<String>, key: impl Into<String>, text: &str) -> Self {
        Self { name: name.into(), key: key.into(), value: crate::document::value_or_word(text) }
    }
}

/// The layers, lowest first: built-in defaults, `system_file`, `user_file`, `explicit` or else `project_file`, `env`,
/// `flags`, `sets`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadRequest {
    /// For everybody on this machine; may be missing.
    pub system_file: Option<PathBuf>,
    /// For this user; may be missing.
    pub user_file: Option<PathBuf>,
    /// For this folder; may be missing.
    pub project_file: Option<PathBuf>,
    /// `--config FILE`, instead of the project's file; must exist.
    pub explicit: Option<PathBuf>,
    /// The environment. Only `BATCHMILL_SECTION__KEY` counts: a name without a double underscore is not configuration.
    pub env: Vec<(OsString, OsString)>,
    /// Flags that stand for keys.
    pub flags: Vec<Flag>,
    /// The arguments of `--set`, each `KEY=VALUE`.
    pub sets: Vec<String>,
}

impl LoadRequest {
    /// The usual files and the environment of this process; `explicit`, `flags` and `sets` are the caller's.
    pub fn from_process() -> Self {
        let folder = env::var_os("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            // The XDG specification: a relative path is invalid and to be ignored.
            .filter(|path| path.is_absolute())
            .or_else(|| {
                env::var_os("HOME").filter(|home| !home.is_empty()).map(|home| Path::new(&home).join(".config"))
            });
        Self {
            system_file: Some("/etc/batchmill/config.toml".into()),
            user_file: folder.map(|folder| folder.join("batchmill/config.toml")),
            project_file: Some("batchmill.toml".into()),
            env: env::vars_os().collect(),
            ..Self::default()
        }
    }
}
