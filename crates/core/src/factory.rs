//! How config becomes a plugin.

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ControlGroup;

/// The options of one plugin: the table under `options` of its config section, or the keys of a flow node.
pub type Options = serde_json::Map<String, Value>;

/// What a plugin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PluginKind {
    /// [`crate::Scheduler`]
    Scheduler,
    /// [`crate::RetryPolicy`]
    Retry,
    /// [`crate::FailureStrategy`]
    Failure,
    /// [`crate::Governor`]
    Governor,
    /// [`crate::ResultSink`]
    Sink,
    /// [`crate::MetricsExporter`]
    Metrics,
    /// [`crate::Checkpointer`]
    Checkpointer,
    /// [`crate::Journal`]
    Journal,
    /// [`crate::Node`]
    Node,
}

impl PluginKind {
    /// The kind as written in `plugin list`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduler => "scheduler",
            Self::Retry => "retry",
            Self::Failure => "failure",
            Self::Governor => "governor",
            Self::Sink => "sink",
            Self::Metrics => "metrics",
            Self::Checkpointer => "checkpointer",
            Self::Journal => "journal",
            Self::Node => "node",
        }
    }
}

impl fmt::Display for PluginKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is wrong with options. The host turns the path into `file:line:column: key`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// Keys and list indices from the options' root, for example `["rules", "0"]`; empty for the whole.
    pub path: Vec<String>,
    /// Byte offset inside the text at `path`, for a mistake within an expression.
    pub offset: Option<usize>,
    /// Whether the key itself is wrong (unknown), not its value.
    pub at_key: bool,
    /// One sentence: what is wrong and what is allowed.
    pub message: String,
}

impl Problem {
    /// A problem with the value at `path`.
    pub fn new<P: Into<String>>(path: impl IntoIterator<Item = P>, message: impl Into<String>) -> Self {
        Self { path: path.into_iter().map(Into::into).collect(), offset: None, at_key: false, message: message.into() }
    }

    /// An unknown key, with the nearest known one.
    pub fn unknown_key<P: Into<String>>(path: impl IntoIterator<Item = P>, known: &[&str]) -> Self {
        let path: Vec<String> = path.into_iter().map(Into::into).collect();
        let key = path.last().map_or("", String::as_str);
        let message = match nearest(key, known.iter().copied()) {
            Some(near) => format!("unknown key `{key}`, did you mean `{near}`?"),
            None if known.is_empty() => format!("unknown key `{key}`, no keys are known here"),
            None => format!("unknown key `{key}`, known are: {}", known.join(", ")),
        };
        Self { path, offset: None, at_key: true, message }
    }

    /// The same at a byte of the text.
    #[must_use]
    pub fn at_offset(mut self, offset: usize) -> Self {
        self.offset = Some(offset);
        self
    }

    /// The same below `key`.
    #[must_use]
    pub fn below(mut self, key: impl Into<String>) -> Self {
        self.path.insert(0, key.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path.join("."), self.message)
        }
    }
}

/// Why a plugin could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The options are wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Options(Vec<Problem>),
    /// Something outside is not as it must be: a taken port, a missing folder.
    #[error("{message}")]
    Environment {
        /// A sentence with the place and the mend.
        message: String,
        /// The cause.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

impl BuildError {
    /// Something outside is not as it must be.
    pub fn environment(message: impl Into<String>) -> Self {
        Self::Environment { message: message.into(), source: None }
    }
}

/// What a plugin may know of its surroundings while it is built.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct BuildContext {
    /// Relative paths in options are relative to this folder.
    pub directory: PathBuf,
    /// The batch was begun by an earlier host: what a sink finds in its place may be its own, and
    /// [`ResultSink::resume`](crate::ResultSink::resume) says what of it stays.
    pub resumes: bool,
    /// How much processes give way to others where nothing else is said: 0 as the host, 19 the most.
    pub nice: u8,
    /// Where processes belong, once there is such a group.
    pub group: ControlGroup,
}

impl BuildContext {
    /// Relative paths start at `directory`.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), ..Self::default() }
    }
}

/// Makes plugins of one name: `validate` → `build` → used when handed over.
///
/// # The implementer promises
/// - `validate` is pure: it opens nothing and reports **all** problems at once, unknown keys included;
/// - `build` may open what the plugin needs; it must not spawn; it refuses what `validate` refuses;
/// - what it returns does nothing until the host calls it.
pub trait Factory<P: ?Sized>: Send + Sync {
    /// The `kind` that selects it in config: `[a-z0-9-]`, at most 63 bytes.
    fn name(&self) -> &str;

    /// One sentence for `plugin list`.
    fn about(&self) -> &str;

    /// JSON Schema of the options, with descriptions and defaults.
    fn schema(&self) -> Value;

    /// Finds everything that is wrong with the options.
    fn validate(&self, options: &Options) -> Result<(), Vec<Problem>>;

    /// Makes one.
    fn build(&self, options: &Options, context: &BuildContext) -> Result<Box<P>, BuildError>;
}

/// The known word nearest to `word`, if one is near enough to be a slip of the fingers.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1) + 1;
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.chars().count())
        // Slips at the first letter are rare.
        .min_by_key(|(distance, candidate)| (*distance, word.chars().next() != candidate.chars().next()))
        .map(|(_, candidate)| candidate)
}

/// Edits between two words: insert, delete, replace, swap of neighbours (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.to_lowercase().chars().collect(), b.to_lowercase().chars().collect());
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_fingers_are_recognised_and_strangers_are_not() {
        let known = ["max_attempts", "delay", "max_delay", "jitter"];
        assert_eq!(nearest("max_atempts", known), Some("max_attempts"));
        assert_eq!(nearest("dealy", known), Some("delay"));
        assert_eq!(nearest("Jitter", known), Some("jitter"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("ned", ["set", "env", "needs"]), Some("needs"), "the first letter decides between equals");
        assert_eq!(nearest("x", ["y"]), None, "nothing in common");
    }

    #[test]
    fn an_unknown_key_names_the_nearest_or_all() {
        assert_eq!(
            Problem::unknown_key(["retry", "dealy"], &["delay", "jitter"]).message,
            "unknown key `dealy`, did you mean `delay`?"
        );
        assert_eq!(
            Problem::unknown_key(["colour"], &["delay", "jitter"]).message,
            "unknown key `colour`, known are: delay, jitter"
        );
    }
}
