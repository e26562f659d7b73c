//! Flags that are a layer of the host's config.

use std::{
    io,
    path::{Path, PathBuf},
};

use batchmill_config::{Flag, LoadRequest};
use clap::{ArgMatches, Args, ValueHint, parser::ValueSource};
use serde_json::json;

use crate::intake::expressions;

/// Where config comes from.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Configuration")]
pub(crate) struct ConfigArgs {
    /// The host's config (TOML) [default: ./batchmill.toml when it exists]
    #[arg(long, value_name = "FILE", env = "BATCHMILL_CONFIG", hide_env = true, value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,

    /// Set any key of the config, for example --set scheduler.kind=fifo (repeatable)
    #[arg(long, value_name = "KEY=VALUE", env = "BATCHMILL_SET", hide_env = true)]
    set: Vec<String>,
}

/// Shorthands for keys of the config that people change often.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Configuration")]
pub(crate) struct PolicyArgs {
    /// How many attempts run at once: a number, `auto`, or a part of the CPUs such as `75%`. Where a governor adapts it, it
    /// begins there
    #[arg(short = 'j', long, value_name = "N|auto|P%", env = "BATCHMILL_CONCURRENCY", hide_env = true)]
    concurrency: Option<String>,

    /// The longest time an attempt may run
    #[arg(long, value_name = "DURATION", env = "BATCHMILL_TIMEOUT", hide_env = true)]
    timeout: Option<String>,

    /// How often a job is tried in all, the first try counted
    #[arg(long, value_name = "N", env = "BATCHMILL_MAX_ATTEMPTS", hide_env = true)]
    max_attempts: Option<String>,

    /// When to stop or pause early, as GNU parallel and more: `never`, `soon,fail=3`, `now,fail=10%`, `soon,success=1`,
    /// `pause,fail_rate=20%,window=100,min_sample=20` (repeatable). The rules take the place of the configured ones and
    /// count from the first job on (`min_sample` is 1)
    #[arg(long, value_name = "RULE", env = "BATCHMILL_HALT", hide_env = true, allow_negative_numbers = true)]
    halt: Vec<String>,

    /// What a recorded end survives: `fsync` a loss of power too, `buffered` the end of the host, `none` nothing: then there
    /// is no resume
    #[arg(long, value_name = "none|buffered|fsync", env = "BATCHMILL_DURABILITY", hide_env = true)]
    durability: Option<String>,
}

impl ConfigArgs {
    /// The file and the keys that were named.
    pub(crate) fn named(&self) -> (Option<&Path>, &[String]) {
        (self.config.as_deref(), &self.set)
    }

    /// The same from any other directory.
    pub(crate) fn absolute(mut self) -> io::Result<Self> {
        self.config = self.config.map(std::path::absolute).transpose()?;
        Ok(self)
    }

    /// These over those of an earlier command.
    pub(crate) fn over(self, config: Option<PathBuf>, mut set: Vec<String>) -> Self {
        set.extend(self.set);
        Self { config: self.config.or(config), set }
    }

    /// The layers, with no flags in them.
    pub(crate) fn request(&self) -> LoadRequest {
        let mut request = LoadRequest::from_process();
        request.explicit.clone_from(&self.config);
        request.sets.clone_from(&self.set);
        request.expressions = expressions();
        request
    }
}

impl PolicyArgs {
    /// The keys that these flags set. `matches` tells whether a flag or its variable said so.
    pub(crate) fn flags(&self, matches: &ArgMatches) -> Vec<Flag> {
        let keys = [
            ("concurrency", "executor.concurrency", &self.concurrency),
            ("timeout", "executor.timeout", &self.timeout),
            ("max_attempts", "retry.options.max_attempts", &self.max_attempts),
            ("durability", "store.durability", &self.durability),
        ];
        let mut flags: Vec<Flag> = keys
            .into_iter()
            .filter_map(|(id, key, text)| Some(Flag::parsed(said_by(matches, id), key, text.as_ref()?)))
            .collect();
        if !self.halt.is_empty() {
            let name = said_by(matches, "halt");
            flags.push(Flag::new(name.clone(), "failure.kind", "halt"));
            flags.push(Flag::new(name.clone(), "failure.options.rules", json!(self.halt)));
            // A person who types a percentage means it from the first job on.
            flags.push(Flag::new(name, "failure.options.min_sample", 1));
        }
        flags
    }
}

/// The flag, or the variable that stands for it.
fn said_by(matches: &ArgMatches, id: &str) -> String {
    if matches.value_source(id) == Some(ValueSource::EnvVariable) {
        format!("BATCHMILL_{}", id.to_uppercase())
    } else {
        format!("--{}", id.replace('_', "-"))
    }
}
