//! One command a job: a flow of one node, made from an argument list.

use std::{path::Path, sync::Arc};

use batchmill_core::{BatchId, Node, Options, Problem};
use batchmill_flow::{
    CheckpointMode, CompiledGraph, NodeSpec, StateGraph,
    expr::{Filter, Template},
};
use batchmill_plugin::{ByteSize, Registry};
use serde_json::{Value, json};

use super::{Processes, flow::surroundings};
use crate::{
    exit::Exit,
    problems::{Refusal, SHOWN},
};

/// The node's name in results and errors, and its kind.
const NODE: &str = "run";

/// What the update of the node is: kept under one key, so that no key of the input is in its way.
const UPDATE: &str = "{result: del(.json)}";

/// A program and its arguments, with `${ jq }` in them.
#[derive(Debug)]
pub(crate) struct Command {
    argv: Vec<String>,
    output_limit: ByteSize,
}

impl Command {
    /// `whole` is the key of the input that is a job as a whole, where there is one: `line` or `path`. A command without
    /// `${ }` then gets it as its last argument, as from `xargs` and `parallel`.
    pub(crate) fn new(mut argv: Vec<String>, whole: Option<&str>, output_limit: ByteSize) -> Result<Self, Refusal> {
        let is_literal = |text: &String| Template::compile(text).is_ok_and(|template| template.is_literal());
        if argv.iter().all(is_literal) {
            match whole {
                Some(key) => {
                    refuse_braces(&argv, key)?;
                    argv.push(format!("${{ .{key} }}"));
                }
                None => tracing::warn!("no argument has a `${{ … }}` in it: every job runs the same command"),
            }
        }
        Ok(Self { argv, output_limit })
    }

    /// A command that was checked before: its last argument is there already.
    pub(crate) fn again(argv: Vec<String>, output_limit: ByteSize) -> Self {
        Self { argv, output_limit }
    }

    pub(crate) fn argv(&self) -> &[String] {
        &self.argv
    }

    pub(crate) fn output_limit(&self) -> ByteSize {
        self.output_limit
    }

    /// What makes a batch of it the same batch.
    pub(crate) fn canonical(&self) -> Value {
        json!({"command": self.argv, "output_limit": self.output_limit.0})
    }

    /// The flow of one node.
    pub(crate) fn compile(&self, registry: &Registry, processes: &Processes) -> Result<CompiledGraph, Refusal> {
        let factory = registry.get::<dyn Node>(NODE).map_err(|error| Refusal::new(Exit::Usage, error.to_string()))?;
        let options = self.options();
        factory.validate(&options).map_err(|problems| self.refusal(&problems))?;
        let node = factory.build(&options, &surroundings(processes)?);
        let node: Arc<dyn Node> = node.map_err(|error| Refusal::new(Exit::Usage, error.to_string()))?.into();
        let output = Filter::compile(".result").expect("a filter of ours");
        // One node: there is nothing between the beginning and the end that could be kept.
        let graph = StateGraph::new(self.name()).checkpoint(CheckpointMode::None).output(output);
        let graph = graph.node(NODE, NodeSpec::new(node).kind(NODE)).compile();
        Ok(graph.expect("a graph of one node has nothing that could be wrong"))
    }

    fn options(&self) -> Options {
        Options::from_iter([
            ("run".to_owned(), json!(self.argv)),
            ("inherit_env".to_owned(), json!(true)),
            ("output".to_owned(), json!(UPDATE)),
            ("output_limit".to_owned(), json!(self.output_limit.0)),
            ("output_on_failure".to_owned(), json!(true)),
        ])
    }

    /// The name of the program, where it is known and can name a batch.
    fn name(&self) -> String {
        let program = self.argv.first().filter(|text| !text.contains("${"));
        let name = program.and_then(|text| Path::new(text).file_name()).and_then(|name| name.to_str());
        name.filter(|name| BatchId::new(*name).is_ok()).unwrap_or("each").to_owned()
    }

    /// Problems with the options of the node are problems with the command line.
    fn refusal(&self, problems: &[Problem]) -> Refusal {
        let lines = problems.iter().take(SHOWN).map(|problem| self.problem(problem));
        Refusal::of(Exit::Usage, lines)
    }

    /// ``argument 2, character 7 of `${ .pth | }`: …``
    fn problem(&self, problem: &Problem) -> String {
        let number = match &problem.path[..] {
            [key, number] if key == NODE => number.parse::<usize>().ok(),
            _ => None,
        };
        let Some((number, text)) = number.and_then(|number| Some((number, self.argv.get(number)?))) else {
            return format!("the command: {}", problem.message);
        };
        let argument = if number == 0 { "the program".to_owned() } else { format!("argument {number}") };
        match problem.offset {
            Some(offset) => {
                let character = text[..text.floor_char_boundary(offset)].chars().count() + 1;
                format!("{argument}, character {character} of `{text}`: {}", problem.message)
            }
            None => format!("{argument}: {}", problem.message),
        }
    }
}

/// Whoever writes `{}` knows it from `xargs -I` and `parallel`; here it would silently be a text of two braces.
fn refuse_braces(argv: &[String], key: &str) -> Result<(), Refusal> {
    let Some((number, argument)) = argv.iter().enumerate().find(|(_, argument)| argument.contains("{}")) else {
        return Ok(());
    };
    let here = format!("${{ .{key} }}");
    let message = format!(
        "argument {number} (`{argument}`): `{{}}` stands for nothing here; write `{}` (in single quotes), or \
         `${{ \"{{}}\" }}` for the two braces",
        argument.replace("{}", &here)
    );
    Err(Refusal::new(Exit::Usage, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(argv: &[&str], whole: Option<&str>) -> Result<Command, Refusal> {
        Command::new(argv.iter().map(|text| (*text).to_owned()).collect(), whole, ByteSize(1 << 20))
    }

    #[test]
    fn a_command_without_expressions_gets_the_whole_job_as_its_last_argument() {
        let argv = |argv: &[&str], whole| command(argv, whole).unwrap().argv;
        assert_eq!(argv(&["gzip", "-k"], Some("path")), ["gzip", "-k", "${ .path }"]);
        assert_eq!(argv(&["gzip", "${ .line }", "-k"], Some("line")), ["gzip", "${ .line }", "-k"]);
        assert_eq!(argv(&["echo", "$${ x }"], Some("line")), ["echo", "$${ x }", "${ .line }"], "an escape is a text");
        assert_eq!(argv(&["true"], None), ["true"], "an object is no argument");
    }

    #[test]
    fn braces_of_another_program_are_not_taken_for_a_text() {
        let refusal = command(&["gzip", "--x={}"], Some("line")).unwrap_err();
        assert_eq!(refusal.exit, Exit::Usage);
        assert!(refusal.text().contains("write `--x=${ .line }`"), "{refusal:?}");
        assert!(command(&["echo", "{}", "${ .line }"], Some("line")).is_ok(), "the braces are meant");
        assert!(command(&["echo", "{}"], None).is_ok());
    }

    #[test]
    fn a_batch_is_named_after_its_program() {
        let name = |argv: &[&str]| command(argv, None).unwrap().name();
        assert_eq!(name(&["/usr/bin/gzip", "x"]), "gzip");
        assert_eq!(name(&["${ .tool }"]), "each");
    }
}
