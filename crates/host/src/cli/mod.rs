//! The command line: what a user may type. Each command has its file; this one is the table of contents.

mod batch;
mod check;
mod completions;
mod config;
mod each;
mod errors;
mod explain;
mod format;
mod global;
mod graph;
mod hints;
mod host_config;
mod intake;
mod limits;
mod plugin;
mod prune;
mod results;
mod resume;
mod retry;
mod run;
mod simulate;
mod state;
mod status;
mod steer;
mod try_one;

use std::env;

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

pub(crate) use batch::{BatchArgs, ExitCode, ProgressStyle, Terms};
pub(crate) use format::{Format, FormatArgs};
pub(crate) use global::{Global, LogFormat};
pub(crate) use host_config::{ConfigArgs, PolicyArgs};
pub(crate) use intake::IntakeArgs;
pub(crate) use resume::ResumeArgs;
pub(crate) use retry::RetryArgs;
pub(crate) use simulate::SimulateArgs;
pub(crate) use state::StateArgs;

use crate::{batches::steer::Action, control::Request, exit::Exit};

/// Runs batches of workflow jobs: a flow, a file of jobs, results; every policy a plugin chosen by one line of config.
#[derive(Debug, Parser)]
#[command(name = "batchmill", version, propagate_version = true, disable_help_subcommand = true, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// A command with a long manual is described where its flags are: a line here would take the place of the manual.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run a batch to its end; no server is needed
    Run(Box<run::RunArgs>),
    Each(Box<each::EachArgs>),
    Resume(Box<resume::ResumeArgs>),
    Retry(Box<retry::RetryArgs>),
    Status(status::StatusArgs),
    Results(results::ResultsArgs),
    Errors(errors::ErrorsArgs),
    Explain(explain::ExplainArgs),
    Cancel(steer::CancelArgs),
    /// Start no more jobs of a running batch until `unpause`
    Pause(steer::SteerArgs),
    /// Let a paused batch go on
    Unpause(steer::SteerArgs),
    /// End a running batch when its running jobs have finished; `resume` goes on
    Drain(steer::SteerArgs),
    /// Change limits of a running batch
    #[command(subcommand)]
    Limits(limits::LimitsCommand),
    Prune(prune::PruneArgs),
    Try(Box<try_one::TryArgs>),
    Simulate(Box<simulate::SimulateArgs>),
    /// Check flow, jobs and config without running anything; all problems at once
    Check(check::CheckArgs),
    /// Show the graph of a flow
    Graph(graph::GraphArgs),
    /// Show or check the host's configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Show the plugins that config can choose
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    /// Print completions for a shell, for example `batchmill completions bash`
    Completions(completions::CompletionsArgs),
}

/// Does what the command line says.
pub(crate) fn execute() -> Exit {
    let parsed = Cli::command().try_get_matches().and_then(|matches| {
        let cli = Cli::from_arg_matches(&matches)?;
        Ok((cli, matches))
    });
    match parsed {
        Ok((cli, matches)) => dispatch(cli, &matches),
        Err(mut error) => {
            let arguments: Vec<_> = env::args_os().skip(1).collect();
            hints::add(&mut error, &Cli::command(), &arguments);
            // Help goes to stdout, a usage error to stderr. Where neither can be written there is nobody to tell.
            let _ = error.print();
            if error.use_stderr() { Exit::Usage } else { Exit::Success }
        }
    }
}

fn dispatch(cli: Cli, matches: &ArgMatches) -> Exit {
    let chosen = matches.subcommand().map_or(matches, |(_, chosen)| chosen);
    match cli.command {
        Command::Run(args) => run::execute(*args, &cli.global, chosen),
        Command::Each(args) => each::execute(*args, &cli.global, chosen),
        Command::Resume(args) => resume::execute(*args, &cli.global, chosen),
        Command::Retry(args) => retry::execute(*args, &cli.global, chosen),
        Command::Status(args) => status::execute(&args, &cli.global),
        Command::Results(args) => results::execute(&args, &cli.global),
        Command::Errors(args) => errors::execute(&args, &cli.global),
        Command::Explain(args) => explain::execute(&args, &cli.global),
        Command::Cancel(args) => steer::cancel(args, &cli.global),
        Command::Pause(args) => steer::ask(Action::Pause, &Request::Pause {}, &args, &cli.global),
        Command::Unpause(args) => steer::ask(Action::Unpause, &Request::Unpause {}, &args, &cli.global),
        Command::Drain(args) => steer::ask(Action::Drain, &Request::Drain {}, &args, &cli.global),
        Command::Limits(command) => limits::execute(command, &cli.global),
        Command::Prune(args) => prune::execute(&args, &cli.global),
        Command::Simulate(args) => simulate::execute(&args, &cli.global),
        Command::Try(args) => try_one::execute(&args, &cli.global),
        Command::Check(args) => check::execute(&args, &cli.global),
        Command::Graph(args) => graph::execute(&args, &cli.global),
        Command::Config(command) => {
            config::execute(&command, &cli.global, chosen.subcommand().map_or(chosen, |(_, inner)| inner))
        }
        Command::Plugin(command) => plugin::execute(&command, &cli.global),
        Command::Completions(args) => completions::execute(&args, &mut Cli::command()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// Every long flag of every command, with its variable: that a new one has one is part of the reference.
    #[test]
    fn every_flag_has_its_environment_variable() {
        fn walk(command: &clap::Command, missing: &mut Vec<String>) {
            for argument in command.get_arguments().filter(|a| !["help", "version"].contains(&a.get_id().as_str())) {
                let Some(long) = argument.get_long() else { continue };
                let expected = match long {
                    // The variables of these names are those of jobs, which are never read as flags.
                    "batch" | "node" => format!("BATCHMILL_{}_NAME", long.to_uppercase()),
                    _ => format!("BATCHMILL_{}", long.to_uppercase().replace('-', "_")),
                };
                if argument.get_env().is_none_or(|name| name != expected.as_str()) {
                    missing.push(format!("{} --{long}", command.get_name()));
                }
            }
            command.get_subcommands().for_each(|inner| walk(inner, missing));
        }
        let mut missing = Vec::new();
        walk(&Cli::command(), &mut missing);
        assert_eq!(missing, [""; 0]);
    }
}
