//! What to load from. Everything outside is an argument, so that a test never touches the process.

use std::{env, ffi::OsString, fmt, path::PathBuf};

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

    /// Name, key and value; `None` where what was typed is no value.
    pub fn parts(&self) -> Option<(&str, &str, &Value)> {
        self.value.as_ref().ok().map(|value| (self.name.as_str(), self.key.as_str(), value))
    }
}

/// What is wrong with the text of an expression, one sentence each.
pub type CheckExpression = fn(&str) -> Vec<String>;

/// How expressions of the configuration are checked. It knows no language itself, so by default they are taken as they
/// are.
#[derive(Clone, Copy)]
pub struct Expressions {
    /// The keys of limits.
    pub limit_key: CheckExpression,
    /// What a start takes of a rate.
    pub units: CheckExpression,
    /// The paths of shares.
    pub share_key: CheckExpression,
}

impl Default for Expressions {
    fn default() -> Self {
        Self { limit_key: |_| Vec::new(), units: |_| Vec::new(), share_key: |_| Vec::new() }
    }
}

impl fmt::Debug for Expressions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Expressions")
    }
}

/// The layers, lowest first: built-in defaults, `system_file`, `user_file`, `explicit` or else `project_file`, `env`,
/// `flags`, `sets`.
#[derive(Debug, Clone, Default)]
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
    /// How expressions are checked.
    pub expressions: Expressions,
}

impl LoadRequest {
    /// The usual files and the environment of this process; `explicit`, `flags` and `sets` are the caller's.
    pub fn from_process() -> Self {
        Self {
            system_file: Some("/etc/batchmill/config.toml".into()),
            user_file: user_file(env::var_os("XDG_CONFIG_HOME"), env::var_os("HOME")),
            project_file: Some("batchmill.toml".into()),
            env: env::vars_os().collect(),
            ..Self::default()
        }
    }
}

/// The user's file, by the XDG base directory specification: a relative path is invalid and to be ignored.
fn user_file(xdg_config_home: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |folder: Option<OsString>| folder.map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = absolute(xdg_config_home).or_else(|| Some(absolute(home)?.join(".config")))?;
    Some(folder.join("batchmill/config.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_file_is_where_xdg_says() {
        for (xdg, home, expected) in [
            (Some("/x"), Some("/h"), Some("/x/batchmill/config.toml")),
            (None, Some("/h"), Some("/h/.config/batchmill/config.toml")),
            (Some("relative"), Some("/h"), Some("/h/.config/batchmill/config.toml")),
            (Some(""), Some("/h"), Some("/h/.config/batchmill/config.toml")),
            (None, Some(""), None),
            (None, None, None),
        ] {
            let found = user_file(xdg.map(Into::into), home.map(Into::into));
            assert_eq!(found, expected.map(PathBuf::from), "{xdg:?} {home:?}");
        }
    }
}
