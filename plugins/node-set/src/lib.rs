//! The flow node `set`: computes an update of the state with a jq expression.
//!
//! **What it is.** A [`Node`]: `.` is the state, `$input`, `$job`, `$item` and `$error` are what a flow gives. The object
//! that the expression yields is the update, with exactly its keys; null and no output change nothing.
//!
//! **When to use it.** To derive values, to rename what another node wrote, to prepare a branch.
//!
//! **What it deliberately does not do.** It reads nothing but the state and the variables of the job: no file, no
//! environment, no clock. It never merges: how an update meets the state is for the reducers of the flow.
//!
//! ```
//! use batchmill_core::{BuildContext, Node};
//! use batchmill_plugin::Registry;
//!
//! let mut registry = Registry::default();
//! batchmill_node_set::register(&mut registry);
//! let set = registry.get::<dyn Node>("set").unwrap();
//!
//! let wrong = serde_json::from_str(r#"{"set": "{size: lenght}"}"#).unwrap();
//! let problem = &set.validate(&wrong).unwrap_err()[0];
//! assert_eq!(problem.to_string(), "set: unknown function `lenght`, did you mean `length`?");
//! assert_eq!(problem.offset, Some(7));
//! ```

mod options;

use async_trait::async_trait;
use batchmill_core::{BuildError, Node, NodeContext, NodeError, Problem, StateData};
use batchmill_flow::expr::{Filter, Vars};
use batchmill_plugin::{Registry, TypedFactory};
use serde_json::Value;

pub use options::Options;

/// Adds the node kind `set`.
pub fn register(registry: &mut Registry) {
    let factory =
        TypedFactory::new("set", "computes an update of the state with a jq expression", |options: Options, _| {
            let node = Set::new(&options).map_err(BuildError::Options)?;
            Ok(Box::new(node) as Box<dyn Node>)
        });
    registry.register::<dyn Node>(factory.check(|options| compile(options).err().unwrap_or_default()));
}

/// See the crate.
#[derive(Debug, Clone)]
pub struct Set {
    filter: Filter,
}

impl Set {
    /// Compiles the expression, or tells every mistake in it.
    pub fn new(options: &Options) -> Result<Self, Vec<Problem>> {
        compile(options).map(|filter| Self { filter })
    }
}

fn compile(options: &Options) -> Result<Filter, Vec<Problem>> {
    Filter::compile(&options.set).map_err(|errors| {
        errors.into_iter().map(|error| Problem::new(["set"], error.message).at_offset(error.offset)).collect()
    })
}

#[async_trait]
impl Node for Set {
    async fn run(&self, state: &StateData, context: NodeContext<'_>) -> Result<StateData, NodeError> {
        match self.filter.run_one(state, &Vars::from(context))? {
            None | Some(Value::Null) => Ok(StateData::new()),
            Some(Value::Object(update)) => Ok(update),
            Some(other) => Err(not_an_object(&other)),
        }
    }
}

fn not_an_object(output: &Value) -> NodeError {
    let what = match output {
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        _ => "a list",
    };
    NodeError::permanent("bad_update", format!("`set` must yield an object with the keys to set, it yields {what}"))
}
