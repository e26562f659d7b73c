//! The keys of a `run` node.

use std::collections::BTreeMap;

use batchmill_plugin::{ByteSize, HumanDuration, schemars::JsonSchema};
use serde::Deserialize;

use crate::{argv::Argv, environment::EnvValue, exit_codes::ExitCodes};

/// Runs one process and makes an update of what it wrote.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RunOptions {
    /// The program and its arguments, each a text with `${ jq }` expressions. They reach the program as they are: no
    /// shell, no splitting, no globbing. With `shell: true` one text, which `/bin/sh -c` runs.
    pub(crate) run: Argv,
    /// Let a shell run the text of `run`. What expressions yield becomes part of the script: hand data over in `env`.
    pub(crate) shell: bool,
    /// jq over `{stdout, stderr, exit_code, json}` that yields the update. Without it the node makes no update.
    #[serde(deserialize_with = "batchmill_plugin::optional_expression")]
    pub(crate) output: Option<String>,
    /// What exit statuses mean.
    pub(crate) exit_codes: ExitCodes,
    /// Environment variables: a text with `${ jq }` expressions, or a secret as `{env: NAME}` or `{file: PATH}`.
    pub(crate) env: BTreeMap<String, EnvValue>,
    /// Hand over all of the host's environment, not only PATH, HOME, LANG, TZ and TMPDIR.
    pub(crate) inherit_env: bool,
    /// How much of stdout is kept.
    pub(crate) output_limit: ByteSize,
    /// What happens when there is more.
    pub(crate) on_overflow: OnOverflow,
    /// End the process, with the class `timeout`, when it has written nothing to stdout or stderr for so long.
    pub(crate) idle_timeout: Option<HumanDuration>,
    /// Hand what the process wrote to the error too: `error.output` of the result is `{stdout, stderr, exit_code}` then.
    pub(crate) output_on_failure: bool,
    /// How much the process gives way to others: 0 as the host, 19 the most. That of the host's config where absent.
    #[schemars(range(max = 19))]
    pub(crate) nice: Option<u8>,
}

/// What happens when a process writes more to stdout than is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnOverflow {
    /// The process is killed and the node fails with `output_too_large`.
    #[default]
    Fail,
    /// The rest is dropped, and `.stdout_truncated` is true.
    Truncate,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            run: Argv::default(),
            shell: false,
            output: None,
            exit_codes: ExitCodes::default(),
            env: BTreeMap::new(),
            inherit_env: false,
            output_limit: ByteSize(1 << 20),
            on_overflow: OnOverflow::Fail,
            idle_timeout: None,
            output_on_failure: false,
            nice: None,
        }
    }
}
