//! The plugins that are loaded at run time: they are read before everything else, because what they bring decides what the
//! rest of the configuration may say.

use std::{fmt, num::NonZeroU32, path::PathBuf, str::FromStr};

use batchmill_core::{Options, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{ConfigProblem, LoadRequest, Timeout, collect::Collected, key, layer::Layer, load::placed, shape};

/// A dynamic library with plugins. What it may do is what this process may do: list only what you trust.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginEntry {
    /// The name that the library gives itself: another one is refused. `batchmill plugin inspect` shows it.
    pub name: String,
    /// The file: an absolute path without symbolic links. The file and its folders belong to root or to the user of the
    /// host, and nobody else can write to them.
    pub path: PathBuf,
    /// The sha256 of the file, as `sha256sum` prints it: another file is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// What happens when an instance panics or breaks its contract so that it cannot go on. "fail": the host ends (75) and a
    /// resume goes on; a sink is not written to any more. "recreate": a fresh instance takes its place, `recreate_max` times.
    /// "fallback:NAME": the built-in of this name and of the same kind takes its place, with its default options.
    #[serde(default)]
    pub on_fault: OnFault,
    /// How often an instance is made anew with "recreate".
    #[serde(default = "recreate_max")]
    pub recreate_max: NonZeroU32,
    /// How long a call of a sink may take before it is given up, and the making of any instance.
    #[serde(default = "call_timeout")]
    pub call_timeout: Timeout,
}

fn recreate_max() -> NonZeroU32 {
    const THREE: NonZeroU32 = NonZeroU32::new(3).unwrap();
    THREE
}

fn call_timeout() -> Timeout {
    Timeout::ONE_MINUTE
}

/// What becomes of an instance that fails.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum OnFault {
    /// What depends on it fails.
    #[default]
    Fail,
    /// A fresh instance takes its place.
    Recreate,
    /// A built-in takes its place.
    Fallback(String),
}

/// A text that is no way to deal with a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadOnFault(String);

impl fmt::Display for BadOnFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not \"fail\", \"recreate\" or \"fallback:NAME\" with the name of a built-in", self.0)
    }
}

impl std::error::Error for BadOnFault {}

impl FromStr for OnFault {
    type Err = BadOnFault;
    fn from_str(text: &str) -> Result<Self, BadOnFault> {
        match text {
            "fail" => Ok(Self::Fail),
            "recreate" => Ok(Self::Recreate),
            other => match other.strip_prefix("fallback:").filter(|name| !name.is_empty()) {
                Some(name) => Ok(Self::Fallback(name.to_owned())),
                None => Err(BadOnFault(other.to_owned())),
            },
        }
    }
}

impl fmt::Display for OnFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fail => f.write_str("fail"),
            Self::Recreate => f.write_str("recreate"),
            Self::Fallback(name) => write!(f, "fallback:{name}"),
        }
    }
}

impl Serialize for OnFault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for OnFault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for OnFault {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OnFault".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^(fail|recreate|fallback:.+)$",
            "examples": ["fail", "recreate", "fallback:fifo"],
        })
    }
    fn inline_schema() -> bool {
        true
    }
}

/// What is asked of plugins that are loaded at run time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PluginLoading {
    /// Whether every plugin of `[[plugins]]` must have a `sha256`.
    pub require_pins: bool,
}

/// The plugins that config lists, and what is known of the places where it does.
#[derive(Debug)]
pub struct ListedPlugins {
    /// In their order.
    pub entries: Vec<PluginEntry>,
    /// For all of them.
    pub loading: PluginLoading,
    layers: Vec<Layer>,
    /// The layer that lists them.
    number: usize,
}

impl ListedPlugins {
    /// The sections that are read here.
    const SECTIONS: [&str; 2] = ["plugins", "plugin_loading"];

    /// Reads the list alone. Problems of other sections are left to [`load`](crate::load).
    ///
    /// # Errors
    /// Everything that is wrong with the list as text.
    pub fn read(request: &LoadRequest) -> Result<Self, Vec<ConfigProblem>> {
        let Collected { layers, .. } = Collected::from_request(request);
        let is_ours =
            |problem: &Problem| problem.path.first().is_some_and(|key| Self::SECTIONS.contains(&key.as_str()));
        let mut problems = Vec::new();
        for (number, layer) in layers.iter().enumerate() {
            let found = shape::problems(&layer.values).into_iter().filter(is_ours);
            problems.extend(found.map(|problem| (number, problem)));
        }
        if !problems.is_empty() {
            return Err(placed(&layers, problems));
        }
        let last = |path: &[&str]| {
            let path: key::Path = path.iter().map(|key| (*key).to_owned()).collect();
            layers.iter().enumerate().rev().find_map(|(number, layer)| Some((number, key::find(&layer.values, &path)?)))
        };
        let (number, entries) = match last(&["plugins"]) {
            Some((number, list)) => (number, serde_json::from_value::<Vec<PluginEntry>>(list.clone())),
            None => (0, Ok(Vec::new())),
        };
        let require_pins = last(&["plugin_loading", "require_pins"]).and_then(|(_, value)| value.as_bool());
        let loading = PluginLoading { require_pins: require_pins.unwrap_or_default() };
        match entries {
            Ok(entries) => Ok(Self { entries, loading, layers, number }),
            // A key that is missing.
            Err(error) => {
                let problem = Problem::new(["plugins"], error.to_string());
                Err(placed(&layers, vec![(number, problem)]))
            }
        }
    }

    /// A problem with an entry, at the place where the config says it.
    pub fn problem(&self, place: usize, key: &str, message: impl Into<String>) -> ConfigProblem {
        let path = ["plugins".to_owned(), place.to_string(), key.to_owned()];
        let problem = Problem::new(path, message);
        placed(&self.layers, vec![(self.number, problem)]).remove(0)
    }
}

/// Everything that is wrong with an entry by itself, as far as its types do not say it.
pub(crate) fn problems(values: &Options) -> Vec<Problem> {
    const REQUIRED: [&str; 2] = ["name", "path"];
    let entries = values.get("plugins").and_then(serde_json::Value::as_array);
    let mut problems = Vec::new();
    for (place, entry) in entries.into_iter().flatten().enumerate() {
        let Some(entry) = entry.as_object() else { continue };
        for key in REQUIRED.iter().filter(|key| !entry.contains_key(**key)) {
            problems.push(Problem::new(["plugins".to_owned(), place.to_string()], format!("missing key `{key}`")));
        }
        let name = entry.get("name").and_then(serde_json::Value::as_str);
        let named = |(_, other): &(usize, &serde_json::Value)| name.is_some() && other["name"].as_str() == name;
        if let Some((first, _)) = entries.into_iter().flatten().enumerate().take(place).find(named) {
            let path = ["plugins".to_owned(), place.to_string(), "name".to_owned()];
            let message = format!("plugin {first} of the list has the same name, `{}`", name.unwrap_or_default());
            problems.push(Problem::new(path, message));
        }
    }
    problems
}
