//! The `run` node: from its options to processes.

use std::{ffi::CString, os::unix::ffi::OsStrExt, sync::Arc, time::Duration};

use async_trait::async_trait;
use batchmill_core::{BuildContext, BuildError, ControlGroup, Node, NodeContext, NodeError, Problem, StateData};
use batchmill_flow::expr::{Filter, Template, Vars};
use batchmill_plugin::{ByteSize, Registry, TypedFactory};
use serde_json::Value;

use crate::{
    argv::Argv,
    environment::{self, Environment},
    exit_codes::Meanings,
    failure,
    options::{OnOverflow, RunOptions},
    output::Outcome,
    process::{End, Ended, Limits, supervise},
    spawn::{Command, spawn},
    text,
};

/// Adds the node `run`.
pub fn register(registry: &mut Registry) {
    registry.register::<dyn Node>(
        TypedFactory::new("run", "runs a process: an argument list, never a shell unless asked", |options, context| {
            Ok(Box::new(RunNode::build(&options, context)?) as Box<dyn Node>)
        })
        .check(check),
    );
}

/// Everything that is wrong with the options, without a look at the host.
fn check(options: &RunOptions) -> Vec<Problem> {
    let mut problems = Vec::new();
    problems.extend(arguments(options).err().into_iter().flatten());
    problems.extend(output(options).err().into_iter().flatten());
    problems.extend(options.exit_codes.meanings().1);
    problems.extend(environment::check(&options.env));
    if let Some(nice) = options.nice.filter(|nice| *nice > 19) {
        problems.push(Problem::new(["nice"], format!("{nice} is out of range; write 0 to 19")));
    }
    if options.idle_timeout.is_some_and(|limit| limit.0.is_zero()) {
        problems.push(Problem::new(["idle_timeout"], "must be longer than 0s"));
    }
    problems
}

fn arguments(options: &RunOptions) -> Result<Vec<Template>, Vec<Problem>> {
    let whole = |message: &str| Err(vec![Problem::new(["run"], message)]);
    let texts: Vec<&str> = match (&options.run, options.shell) {
        (Argv::List(list), false) if list.is_empty() => return whole("is empty; it begins with a program"),
        (Argv::List(list), false) => list.iter().map(|text| text.0.as_str()).collect(),
        (Argv::Script(script), true) if script.trim().is_empty() => return whole("is empty; it is a script"),
        (Argv::Script(script), true) => vec![script],
        (Argv::Script(_), false) => {
            return whole("is a list, such as [sha256sum, \"${ .path }\"]; one text needs `shell: true`");
        }
        (Argv::List(_), true) => return whole("is one text with `shell: true`"),
    };
    let in_list = !options.shell;
    let (mut templates, mut problems) = (Vec::new(), Vec::new());
    for (index, text) in texts.into_iter().enumerate() {
        match text::compile(text) {
            Ok(template) if index == 0 && template.literal() == Some("") => {
                problems.push(Problem::new(["run", "0"], "is empty; it names a program"));
            }
            Ok(template) => templates.push(template),
            Err(found) => problems.extend(found.into_iter().map(|problem| {
                let problem = if in_list { problem.below(index.to_string()) } else { problem };
                problem.below("run")
            })),
        }
    }
    if problems.is_empty() { Ok(templates) } else { Err(problems) }
}

fn output(options: &RunOptions) -> Result<Option<Filter>, Vec<Problem>> {
    let Some(text) = &options.output else { return Ok(None) };
    let below = |found: Vec<Problem>| found.into_iter().map(|problem| problem.below("output")).collect();
    text::expression(text).map(Some).map_err(below)
}

/// Runs one process a visit.
#[derive(Debug)]
struct RunNode {
    /// The program first; of a script only the script.
    arguments: Vec<Template>,
    shell: bool,
    output: Option<Filter>,
    meanings: Meanings,
    environment: Environment,
    directory: Option<Arc<CString>>,
    output_limit: ByteSize,
    on_overflow: OnOverflow,
    idle_timeout: Option<Duration>,
    output_on_failure: bool,
    nice: i32,
    group: ControlGroup,
}

impl RunNode {
    fn build(options: &RunOptions, context: &BuildContext) -> Result<Self, BuildError> {
        let directory = match context.directory.as_os_str().as_bytes() {
            [] => None,
            path => Some(CString::new(path).map_err(|_| BuildError::environment("a directory has a zero byte"))?),
        };
        Ok(Self {
            arguments: arguments(options).map_err(BuildError::Options)?,
            shell: options.shell,
            output: output(options).map_err(BuildError::Options)?,
            meanings: options.exit_codes.meanings().0,
            environment: Environment::build(&options.env, options.inherit_env, context)?,
            directory: directory.map(Arc::new),
            output_limit: options.output_limit,
            on_overflow: options.on_overflow,
            idle_timeout: options.idle_timeout.map(Into::into),
            output_on_failure: options.output_on_failure,
            nice: options.nice.unwrap_or(context.nice).into(),
            group: context.group.clone(),
        })
    }

    fn rendered(&self, state: &StateData, vars: &Vars<'_>) -> Result<Vec<CString>, NodeError> {
        let mut arguments = if self.shell { vec![c"/bin/sh".to_owned(), c"-c".to_owned()] } else { Vec::new() };
        for (index, template) in self.arguments.iter().enumerate() {
            let argument = CString::new(template.render(state, vars)?).map_err(|_| {
                let message = format!("argument {index} of `run` has a zero byte, which no process can get");
                NodeError::permanent("bad_argument", message)
            })?;
            arguments.push(argument);
        }
        if arguments[0].is_empty() {
            return Err(NodeError::permanent("spawn_failed", "the name of the program is empty"));
        }
        Ok(arguments)
    }

    fn command(&self, state: &StateData, context: NodeContext<'_>, vars: &Vars<'_>) -> Result<Command, NodeError> {
        let arguments = self.rendered(state, vars)?;
        context.note(ARGV, || argv(&arguments));
        Ok(Command {
            arguments,
            shared_environment: self.environment.shared(),
            environment: self.environment.of_process(state, context, vars)?,
            directory: self.directory.clone(),
            nice: self.nice,
            group: self.group.clone(),
        })
    }

    fn limits(&self, is_weighed: bool) -> Limits {
        Limits {
            // More than memory has is no limit.
            stdout: usize::try_from(self.output_limit.0).unwrap_or(usize::MAX),
            fail_on_overflow: self.on_overflow == OnOverflow::Fail,
            is_weighed,
            idle: self.idle_timeout,
        }
    }

    /// The process has ended: what it did, or the error.
    fn judge(&self, ended: Ended, program: &str, context: NodeContext<'_>) -> Result<Outcome, NodeError> {
        let Ended { end, stdout, stderr, cpu, peak } = ended;
        context.job.usage.process(cpu, peak);
        let truncated = stdout.overflowed();
        let exit_code = if let End::Exited(status) = &end { failure::exit_code(*status) } else { None };
        let outcome = Outcome { stdout: stdout.into_bytes(), truncated, stderr: stderr.into_text(), exit_code };
        if let Some(notes) = context.notes {
            outcome.written().into_iter().for_each(|(key, value)| notes.add(&key, value));
        }
        let failed = match end {
            End::Stopped => return Err(NodeError::cancelled()),
            End::Overflowed => Err(failure::overflowed(program, self.output_limit)),
            End::Idle => Err(failure::idle(program, self.idle_timeout.unwrap_or_default())),
            End::Exited(status) => {
                // Before it is cut to a quotation, which could leave half a secret.
                let quotable = || self.environment.redactions().apply(outcome.stderr.clone());
                failure::judge(status, &self.meanings, program, quotable)
            }
        };
        match failed {
            Ok(()) => Ok(outcome),
            Err(mut error) => {
                error.output = self.output_on_failure.then(|| Box::new(outcome.written().into()));
                Err(error)
            }
        }
    }

    async fn run_process(&self, state: &StateData, context: NodeContext<'_>) -> Result<StateData, NodeError> {
        let vars = Vars::from(context);
        let command = self.command(state, context, &vars)?;
        let program = command.program().into_owned();
        if context.cancel.is_cancelled() {
            return Err(NodeError::cancelled());
        }
        let started = tokio::select! {
            biased;
            started = spawn(command) => started,
            // Dropped while it waits: it is not started, or killed.
            _ = context.cancel.cancelled() => return Err(NodeError::cancelled()),
        };
        let directory = || self.directory.as_ref().map_or(".".into(), |path| path.to_string_lossy());
        let (child, pipes) = started.map_err(|error| failure::not_started(&error, &program, &directory()))?;
        let ended = supervise(child, pipes, self.limits(context.job.usage.is_watched()), context.cancel).await;
        let ended = ended.map_err(|error| failure::not_watched(&error, &program))?;
        let outcome = self.judge(ended, &program, context)?;
        match &self.output {
            Some(filter) => outcome.update(filter, &vars),
            None => Ok(StateData::new()),
        }
    }
}

/// What is noted of the arguments.
const ARGV: &str = "argv";

fn argv(arguments: &[CString]) -> Value {
    arguments.iter().map(|argument| argument.to_string_lossy()).collect()
}

#[async_trait]
impl Node for RunNode {
    fn preview(&self, state: &StateData, context: NodeContext<'_>) -> Result<StateData, NodeError> {
        let arguments = self.rendered(state, &Vars::from(context))?;
        Ok(StateData::from_iter([(ARGV.to_owned(), argv(&arguments))]))
    }

    async fn run(&self, state: &StateData, context: NodeContext<'_>) -> Result<StateData, NodeError> {
        self.run_process(state, context).await.map_err(|mut error| {
            error.message = self.environment.redactions().apply(error.message);
            error
        })
    }
}
