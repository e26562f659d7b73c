//! Where the connection string is. It may hold a password, so it is never part of the options.

use std::{env, fmt, fs, path::PathBuf};

use batchmill_core::{BuildContext, BuildError};
use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};

/// A variable of the host, or a file. Exactly one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[non_exhaustive]
pub struct Secret {
    /// The name of an environment variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// A file, whose last line end does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{ env = \"NAME\" } or { file = \"PATH\" }")
    }

    /// The text is not said again: it may be a password.
    fn visit_str<E: de::Error>(self, _: &str) -> Result<Secret, E> {
        Err(E::custom("say where it is, not what it is: { env = \"NAME\" } or { file = \"PATH\" }"))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Secret, A::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Source {
            env: Option<String>,
            file: Option<PathBuf>,
        }
        let Source { env, file } = Source::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Secret { env, file })
    }
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
