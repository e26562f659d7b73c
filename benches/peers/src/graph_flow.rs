//! graph-flow: three tasks in a chain over one integer, a session a run, many runs by `JoinSet` + `Semaphore`.

use std::sync::Arc;

use async_trait::async_trait;
use graph_flow::{Context, Graph, GraphBuilder, NextAction, Session, Task, TaskResult};
use tokio::{sync::Semaphore, task::JoinSet};

/// Adds one.
struct Add {
    name: &'static str,
    next: NextAction,
}

#[async_trait]
impl Task for Add {
    fn id(&self) -> &str {
        self.name
    }

    async fn run(&self, context: Context) -> graph_flow::Result<TaskResult> {
        let x: i64 = context.get("x").unwrap_or(0);
        context.set("x", x + 1)?;
        Ok(TaskResult::new(None, self.next.clone()))
    }
}

fn chain() -> Result<Graph, String> {
    let add = |name, next| Arc::new(Add { name, next });
    let graph = GraphBuilder::new("chain")
        .add_task(add("a", NextAction::ContinueAndExecute))
        .add_task(add("b", NextAction::ContinueAndExecute))
        .add_task(add("c", NextAction::End))
        .add_edge("a", "b")
        .add_edge("b", "c")
        .set_start_task("a")
        .build();
    graph.map_err(|error| format!("the graph is refused: {error}"))
}

/// Whether one run has the right answer.
async fn is_right(graph: &Graph, x: u32) -> bool {
    let mut session = Session::new_from_task(x.to_string(), "a");
    let set = session.context.set("x", i64::from(x)).is_ok();
    let ran = graph.execute_session(&mut session).await.is_ok();
    set && ran && session.context.get("x") == Some(i64::from(x) + 3)
}

pub(crate) fn run(jobs: u32, concurrency: usize) -> Result<u64, String> {
    let graph = Arc::new(chain()?);
    let all = async move {
        let permits = Arc::new(Semaphore::new(concurrency));
        let (mut tasks, mut right) = (JoinSet::new(), 0);
        for job in 0..jobs {
            let permit = permits.clone().acquire_owned().await.map_err(|error| error.to_string())?;
            let graph = graph.clone();
            tasks.spawn(async move {
                let is_right = is_right(&graph, job).await;
                drop(permit);
                is_right
            });
            while let Some(is_right) = tasks.try_join_next() {
                right += u64::from(is_right.is_ok_and(|right| right));
            }
        }
        while let Some(is_right) = tasks.join_next().await {
            right += u64::from(is_right.is_ok_and(|right| right));
        }
        Ok(right)
    };
    crate::runtime()?.block_on(async { tokio::spawn(all).await.map_err(|error| error.to_string()).flatten() })
}
