//! Where the connection string is. It may hold a password, so it is never part of the options.

use std::{env, fs, path::PathBuf};

use batchmill_core::{BuildContext, BuildError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A variable of the host, or a file. Exactly one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Secret {
    /// The name of an environment variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// A file, whose last line end does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
}

impl Secret {
    pub(crate) fn problem(&self) -> Option<&'static str> {
        match (&self.env, &self.file) {
            (Some(name), None) if name.is_empty() || name.contains(['=', '\0']) => {
                Some("`env` must be the name of an environment variable")
            }
            (Some(_), None) => None,
            (None, Some(path)) if path.as_os_str().is_empty() => Some("`file` must name a file"),
            (None, Some(_)) => None,
            _ => Some("a secret has one source: { env = \"NAME\" } or { file = \"PATH\" }"),
        }
    }

    /// The text, or a reason that names only its place.
    pub(crate) fn read(&self, context: &BuildContext) -> Result<String, BuildError> {
        if let Some(name) = &self.env {
            let value = env::var_os(name)
                .ok_or_else(|| BuildError::environment(format!("url: environment variable `{name}` is not set")))?;
            return value
                .into_string()
                .map_err(|_| BuildError::environment(format!("url: environment variable `{name}` is not UTF-8")));
        }
        let path = context.directory.join(self.file.iter().collect::<PathBuf>());
        let text = fs::read_to_string(&path)
            .map_err(|error| BuildError::environment(format!("url: cannot read `{}`: {error}", path.display())))?;
        Ok(text.trim_end_matches(['\n', '\r']).to_owned())
    }
}
