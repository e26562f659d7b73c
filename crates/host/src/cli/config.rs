//! `batchmill config check|show|schema`.

use std::io::{self, Write};

use batchmill_core::{BuildContext, Node, RetryPolicy};
use batchmill_flow::NodeCatalog;
use batchmill_plugin::Registry;
use clap::{ArgMatches, Args, Subcommand, ValueEnum, builder::FalseyValueParser};
use serde_json::{Value, json};

use super::{ConfigArgs, Format, FormatArgs, Global, PolicyArgs};
use crate::{dynamic, exit::Exit, refusal, stdout};

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the config of all layers; all problems at once
    Check(CheckArgs),
    /// Show the effective config, as TOML or JSON
    Show(ShowArgs),
    /// Print a JSON Schema for editors: of the config, or of flow files
    Schema(SchemaArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,

    #[command(flatten)]
    policy: PolicyArgs,

    #[command(flatten)]
    format: FormatArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// Of which files
    #[arg(long, value_name = "FILES", env = "BATCHMILL_OF", hide_env = true, default_value = "host")]
    of: SchemaOf,

    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SchemaOf {
    /// The host's config (TOML)
    Host,
    /// Flows (YAML or JSON)
    Flow,
}

#[derive(Debug, Args)]
#[command(mut_arg("format", |format| format.help("How it is written; `table` is TOML")))]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    config: ConfigArgs,

    #[command(flatten)]
    policy: PolicyArgs,

    /// Say where each value comes from
    #[arg(long, env = "BATCHMILL_ORIGIN", hide_env = true, value_parser = FalseyValueParser::new())]
    origin: bool,

    #[command(flatten)]
    format: FormatArgs,
}

/// `matches` are those of the command below `config`.
pub(super) fn execute(command: &ConfigCommand, global: &Global, matches: &ArgMatches) -> Exit {
    let load = |config: &ConfigArgs, policy: &PolicyArgs| {
        let mut request = config.request();
        request.flags = policy.flags(matches);
        let (registry, _) = dynamic::registry(&request)?;
        batchmill_config::load(&request, &registry).map_err(|problems| refusal::of_config(&problems))
    };
    match command {
        ConfigCommand::Check(args) => match load(&args.config, &args.policy) {
            Ok(_) => is_right(args.format.format, global),
            Err(refusal) => refusal::answer(&refusal, args.format.format, &global.screen()),
        },
        ConfigCommand::Show(args) => match load(&args.config, &args.policy) {
            Ok(loaded) => {
                stdout::print(&args.format.format.one(&loaded.to_json(args.origin), loaded.show(args.origin)))
            }
            Err(refusal) => refusal::print(&refusal, &global.screen()),
        },
        ConfigCommand::Schema(args) => match dynamic::registry(&args.config.request()) {
            Ok((registry, _)) => stdout::print(&stdout::pretty(&match args.of {
                SchemaOf::Host => batchmill_config::schema(&registry),
                SchemaOf::Flow => flow_schema(&registry),
            })),
            Err(refusal) => refusal::print(&refusal, &global.screen()),
        },
    }
}

fn is_right(format: Format, global: &Global) -> Exit {
    match format {
        Format::Table => {
            if !global.quiet {
                // For people; a program reads the exit code.
                let _ = writeln!(io::stderr(), "The config is right.");
            }
            Exit::Success
        }
        Format::Json => stdout::print(&stdout::pretty(&json!({"problems": []}))),
        // A problem a line: no line.
        Format::Jsonl => Exit::Success,
    }
}

fn flow_schema(registry: &Registry) -> Value {
    let policies = registry.all::<dyn RetryPolicy>().iter();
    let retry: Vec<_> = policies.map(|(kind, factory)| (kind.clone(), factory.schema())).collect();
    NodeCatalog::of(registry.all::<dyn Node>().clone(), BuildContext::default()).flow_schema(&retry)
}
