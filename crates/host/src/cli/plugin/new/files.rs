//! What the project of each kind is made of.

use std::path::Path;

use batchmill_core::PluginKind;
use serde_json::Value;

use super::Kind;

impl Kind {
    pub(super) fn of_plugin(self) -> PluginKind {
        match self {
            Self::Scheduler => PluginKind::Scheduler,
            Self::Retry => PluginKind::Retry,
            Self::Failure => PluginKind::Failure,
            Self::Governor => PluginKind::Governor,
            Self::Sink => PluginKind::Sink,
        }
    }

    fn trait_name(self) -> &'static str {
        match self {
            Self::Scheduler => "Scheduler",
            Self::Retry => "RetryPolicy",
            Self::Failure => "FailureStrategy",
            Self::Governor => "Governor",
            Self::Sink => "ResultSink",
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::Scheduler => include_str!("project/scheduler.in"),
            Self::Retry => include_str!("project/retry.in"),
            Self::Failure => include_str!("project/failure.in"),
            Self::Governor => include_str!("project/governor.in"),
            Self::Sink => include_str!("project/sink.in"),
        }
    }

    fn test(self) -> &'static str {
        match self {
            Self::Sink => include_str!("project/sink_test.in"),
            _ => include_str!("project/policy_test.in"),
        }
    }

    /// What `plugin check` needs to know.
    fn check(self) -> &'static str {
        match self {
            Self::Sink => r#" --options '{"path": "{dir}/results.jsonl"}' --stored '{dir}/results.jsonl'"#,
            _ => "",
        }
    }

    fn section(self) -> &'static str {
        match self {
            Self::Scheduler => "[scheduler]",
            Self::Retry => "[retry]",
            Self::Failure => "[failure]",
            Self::Governor => "[governor]",
            Self::Sink => "[[sinks]]",
        }
    }

    fn options(self) -> &'static str {
        match self {
            Self::Scheduler => "options = { largest_first = true }\n",
            Self::Retry => "options = { max_attempts = 5 }\n",
            Self::Failure => "options = { in_a_row = 3 }\n",
            Self::Governor => "options = { max = 50 }\n",
            Self::Sink => "options = { path = \"kept.jsonl\" }\n",
        }
    }

    /// What only sinks need: a line of the dependencies, or of those for tests.
    fn only_sink(self, line: &'static str) -> &'static str {
        if self == Self::Sink { line } else { "" }
    }
}

/// Paths in the project, and texts.
pub(super) fn of(kind: Kind, name: &str, checkout: Option<&Path>) -> Vec<(&'static str, String)> {
    let depend = |folder: &str| match checkout {
        // JSON writes text as TOML reads it.
        Some(checkout) => {
            let path = Value::from(checkout.join("crates").join(folder).to_string_lossy());
            format!("{{ path = {path} }}")
        }
        None => format!("\"{}\"", env!("CARGO_PKG_VERSION")),
    };
    let marks = [
        ("@NAME@", name.to_owned()),
        ("@CRATE@", name.replace('-', "_")),
        ("@KIND@", kind.of_plugin().to_string()),
        ("@TRAIT@", kind.trait_name().to_owned()),
        ("@CHECK@", kind.check().to_owned()),
        ("@SECTION@", kind.section().to_owned()),
        ("@OPTIONS@", kind.options().to_owned()),
        ("@ASYNC_TRAIT@", kind.only_sink("async-trait = \"0.1\"\n").to_owned()),
        ("@SERDE_JSON@", kind.only_sink("serde_json = \"1.0\"\n").to_owned()),
        ("@CORE@", depend("core")),
        ("@PLUGIN@", depend("plugin")),
        ("@TESTKIT@", depend("testkit")),
    ];
    let filled = |text: &str| marks.iter().fold(text.to_owned(), |text, (mark, value)| text.replace(mark, value));
    vec![
        ("Cargo.toml", filled(include_str!("project/manifest.in"))),
        ("README.md", filled(include_str!("project/readme.in"))),
        (".gitignore", "/target\n".to_owned()),
        ("src/lib.rs", filled(kind.code())),
        ("tests/conformance.rs", filled(kind.test())),
    ]
}
