//! The input of a job: checked against the flow's schema, then passed through the reducers onto the defaults.

use std::fmt;

use batchmill_core::{NodeError, StateData, format_size};

use super::{CompiledGraph, size_of};

/// One thing that is wrong with an input.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InputProblem {
    /// JSON pointer into the input; empty for the input as a whole.
    pub pointer: String,
    /// One sentence.
    pub message: String,
}

impl fmt::Display for InputProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.pointer, self.message)
        }
    }
}

/// Everything that is wrong with an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputProblems(pub Vec<InputProblem>);

impl fmt::Display for InputProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            fmt::Display::fmt(problem, f)?;
        }
        Ok(())
    }
}

impl std::error::Error for InputProblems {}

impl CompiledGraph {
    /// Checks an input and makes the initial state of it. A refusal means that the job must not be accepted.
    pub fn accept_input(&self, input: StateData) -> Result<StateData, InputProblems> {
        let input = match &self.input_schema {
            Some(schema) => schema.check(input).map_err(InputProblems)?,
            None => input,
        };
        let of_whole = |message| InputProblems(vec![InputProblem { pointer: String::new(), message }]);
        let state = self.initial_state(input).map_err(|error| of_whole(error.message))?;
        if size_of(&state) > self.state_limit {
            let limit = format_size(self.state_limit);
            return Err(of_whole(format!("makes a state larger than its {limit} (`state_limit`)")));
        }
        Ok(state)
    }

    /// The same for who needs the answer only: a graph that takes every input is not shown a copy of it.
    pub fn check_input(&self, input: &StateData) -> Result<(), InputProblems> {
        if self.input_schema.is_none() && self.channels.is_empty() {
            return Ok(());
        }
        self.accept_input(input.clone()).map(drop)
    }

    /// The input passed through the reducers onto the defaults.
    pub(crate) fn initial_state(&self, input: StateData) -> Result<StateData, NodeError> {
        if self.channels.is_empty() {
            return Ok(input);
        }
        let mut state = self.initial.clone();
        self.check_update(&state, &input)?;
        self.merge(&mut state, input);
        Ok(state)
    }
}

#[cfg(feature = "schema")]
pub(crate) use with_schema::InputSchema;
#[cfg(not(feature = "schema"))]
pub(crate) use without_schema::InputSchema;

#[cfg(feature = "schema")]
mod with_schema {
    use batchmill_core::StateData;
    use jsonschema::Validator;
    use serde_json::Value;

    use super::InputProblem;

    /// A compiled JSON Schema.
    pub(crate) struct InputSchema(Validator, Value);

    impl InputSchema {
        /// Compiles a schema; the problem names the place within it.
        pub(in crate::graph) fn new(schema: &Value) -> Result<Self, InputProblem> {
            jsonschema::validator_for(schema).map(|validator| Self(validator, schema.clone())).map_err(|error| {
                InputProblem {
                    pointer: error.instance_path().to_string(),
                    message: format!("not a JSON Schema: {error}"),
                }
            })
        }

        /// As it was written.
        pub(in crate::graph) fn source(&self) -> &Value {
            &self.1
        }

        /// Hands the input back if it matches.
        pub(super) fn check(&self, input: StateData) -> Result<StateData, Vec<InputProblem>> {
            let input = Value::Object(input);
            let problems: Vec<_> = self
                .0
                .iter_errors(&input)
                .map(|error| InputProblem { pointer: error.instance_path().to_string(), message: error.to_string() })
                .collect();
            match input {
                Value::Object(input) if problems.is_empty() => Ok(input),
                _ => Err(problems),
            }
        }
    }
}

#[cfg(not(feature = "schema"))]
mod without_schema {
    use batchmill_core::StateData;
    use serde_json::Value;

    use super::InputProblem;

    /// There are no schemas in this build: a flow that has one is refused.
    pub(crate) enum InputSchema {}

    impl InputSchema {
        pub(in crate::graph) fn new(_: &Value) -> Result<Self, InputProblem> {
            let message = "this build has no JSON Schema (feature `schema` of batchmill-flow)".to_owned();
            Err(InputProblem { pointer: String::new(), message })
        }

        pub(in crate::graph) fn source(&self) -> &Value {
            match *self {}
        }

        pub(super) fn check(&self, _: StateData) -> Result<StateData, Vec<InputProblem>> {
            match *self {}
        }
    }
}
