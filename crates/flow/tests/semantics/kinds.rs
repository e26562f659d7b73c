//! Small kinds of nodes to test with.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use batchmill_core::{
    BuildContext, BuildError, ErrorClass, Factory, Node, NodeContext, NodeError, Options, Problem, StateData,
};
use batchmill_flow::{NodeCatalog, expr::Filter};
use serde_json::Value;

/// The names of nodes in the order in which they began to run.
pub(crate) type Log = Arc<Mutex<Vec<String>>>;

/// A catalogue of the kinds below, which write to `log`.
pub(crate) fn catalog(log: &Log) -> NodeCatalog {
    KINDS.into_iter().fold(NodeCatalog::new(BuildContext::default()), |catalog, (name, make)| {
        catalog.with(Kind { name, make, log: log.clone() })
    })
}

/// One node of a kind below, as the catalogue would make it.
pub(crate) fn node(kind: &str, options: &Options, log: &Log) -> Arc<dyn Node> {
    let (name, make) = KINDS.into_iter().find(|(name, _)| *name == kind).expect("a kind");
    let kind = Kind { name, make, log: log.clone() };
    kind.build(options, &BuildContext::default()).expect("good options").into()
}

const KINDS: [(&str, Make); 6] = [
    ("jq", make_jq),
    ("fail", make_fail),
    ("panic", |_| Ok(Act::Panic)),
    ("hang", |_| Ok(Act::Hang { ends: None })),
    ("listen", |_| Ok(Act::Listen)),
    ("sleep", |options| Ok(Act::Hang { ends: Some(Duration::from_millis(options["sleep"].as_u64().unwrap_or(0))) })),
];

type Make = fn(&Options) -> Result<Act, Vec<Problem>>;

struct Kind {
    name: &'static str,
    make: Make,
    log: Log,
}

impl Factory<dyn Node> for Kind {
    fn name(&self) -> &str {
        self.name
    }
    fn about(&self) -> &str {
        "to test with"
    }
    fn schema(&self) -> Value {
        Value::Bool(true)
    }
    fn validate(&self, options: &Options) -> Result<(), Vec<Problem>> {
        (self.make)(options).map(drop)
    }
    fn build(&self, options: &Options, _: &BuildContext) -> Result<Box<dyn Node>, BuildError> {
        let act = (self.make)(options).map_err(BuildError::Options)?;
        Ok(Box::new(Acting { act, log: self.log.clone() }))
    }
}

#[derive(Debug)]
enum Act {
    /// Updates by a jq expression.
    Jq(Filter),
    /// Fails a number of times, then updates nothing.
    Fail {
        class: ErrorClass,
        left: AtomicU64,
    },
    Panic,
    /// Ends after a while, or never, and does not listen.
    Hang {
        ends: Option<Duration>,
    },
    /// Ends when it is told to.
    Listen,
}

#[derive(Debug)]
struct Acting {
    act: Act,
    log: Log,
}

#[async_trait]
impl Node for Acting {
    async fn run(&self, state: &StateData, context: NodeContext<'_>) -> Result<StateData, NodeError> {
        self.log.lock().unwrap().push(context.node.to_owned());
        match &self.act {
            Act::Jq(filter) => match filter.run_one(state, &context.into())? {
                Some(Value::Object(update)) => Ok(update),
                Some(Value::Null) | None => Ok(StateData::new()),
                Some(other) => Err(NodeError::permanent("bad_update", format!("an update is an object, not {other}"))),
            },
            Act::Fail { class, left } => {
                let fails = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
                if fails { Err(NodeError::new(*class, "broken", "broken")) } else { Ok(StateData::new()) }
            }
            Act::Panic => panic!("all is lost in {}", context.node),
            Act::Hang { ends: None } => std::future::pending().await,
            Act::Hang { ends: Some(after) } => {
                // tidy: allow(sleeps): the node under test takes time, and every test that uses it pauses the clock
                tokio::time::sleep(*after).await;
                Ok(StateData::new())
            }
            Act::Listen => {
                context.cancel.cancelled().await;
                self.log.lock().unwrap().push(format!("{} ended cleanly", context.node));
                Err(NodeError::cancelled())
            }
        }
    }
}

fn make_jq(options: &Options) -> Result<Act, Vec<Problem>> {
    let text = options["jq"].as_str().ok_or_else(|| vec![Problem::new(["jq"], "expected text")])?;
    let filter = Filter::compile(text).map_err(|mistakes| {
        mistakes.into_iter().map(|m| Problem::new(["jq"], m.message).at_offset(m.offset)).collect::<Vec<_>>()
    })?;
    let unknown = options.keys().filter(|key| *key != "jq").map(|key| Problem::unknown_key([key], &["jq"]));
    let unknown: Vec<_> = unknown.collect();
    if unknown.is_empty() { Ok(Act::Jq(filter)) } else { Err(unknown) }
}

fn make_fail(options: &Options) -> Result<Act, Vec<Problem>> {
    let class = options["fail"].as_str().and_then(|class| class.parse().ok());
    let class = class.ok_or_else(|| vec![Problem::new(["fail"], "expected an error class")])?;
    let times = options.get("times").and_then(Value::as_u64).unwrap_or(u64::MAX);
    Ok(Act::Fail { class, left: AtomicU64::new(times) })
}
